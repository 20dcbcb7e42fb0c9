# Only where `illumination` is set does anything ask for this.
rule illuminate:
    input:
        batches=of_batches(BATCH),
    output:
        kept(f"{RECORDS}/illumination.json"),
    log:
        logged(f"{LOGS}/illumination.log", beside=True),
    conda:
        "../envs/voxelmill.yaml"
    resources:
        mem_mb=memory("illumination"),
        runtime=minutes("illumination"),
    params:
        settings=RUN.settings("illumination"),
        run=RUN.execution,
    shell:
        "voxelmill illuminate {input.batches:q} --record {output:q}"
        " --config {params.settings:q} --run {params.run:q} > {log:q} 2>&1"
