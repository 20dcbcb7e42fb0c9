rule report:
    input:
        batches=of_batches(BATCH),
        aggregated=kept(f"{RECORDS}/aggregate.json"),
        approval=kept("{dataset}/approval.json") if ASKS else [],
        profiles=PROFILES,
        besides=read_too(
            *[
                f"{RECORDS}/{step}/{{batch}}.json"
                for step in ("qc", "segment", "measure")
            ],
            "{dataset}/images.parquet",
            "{dataset}/wells.parquet",
            *TABLES,
        ),
    output:
        record=kept(f"{RECORDS}/report.json"),
        page=kept("{dataset}/report.html"),
    log:
        logged(f"{LOGS}/report.log", beside=True),
    conda:
        "../envs/voxelmill.yaml"
    resources:
        mem_mb=memory("report"),
        runtime=minutes("report"),
    params:
        settings=RUN.settings("report"),
        command=f"voxelmill run {CONFIG_FILE}",
    shell:
        "voxelmill report {input.batches:q} --record {output.record:q}"
        " --config {params.settings:q} --command {params.command:q} > {log:q} 2>&1"
