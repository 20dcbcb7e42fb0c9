rule review:
    input:
        batches=of_batches(BATCH),
        records=of_batches(f"{RECORDS}/qc/{{batch}}.json"),
        besides=read_too("{dataset}/qc/{batch}.parquet"),
    output:
        record=kept(f"{RECORDS}/review.json"),
        page=kept("{dataset}/qc.html"),
    log:
        logged(f"{LOGS}/review.log", beside=True),
    conda:
        "../envs/voxelmill.yaml"
    resources:
        mem_mb=memory("report"),
        runtime=minutes("report"),
    params:
        settings=RUN.settings("review"),
        command=f"voxelmill run {CONFIG_FILE}",
    shell:
        "voxelmill review {input.batches:q} --record {output.record:q}"
        " --config {params.settings:q} --command {params.command:q} > {log:q} 2>&1"
