rule report:
    input:
        batches=of_batches(BATCH),
        aggregated=f"{RECORDS}/aggregate.json",
    output:
        record=f"{RECORDS}/report.json",
        page=f"{RESULTS}/{{dataset}}/report.html",
    log:
        f"{LOGS}/report.log",
    conda:
        "../envs/voxelmill.yaml"
    params:
        settings=RUN.settings("report"),
        command=f"voxelmill run {CONFIG_FILE}",
    shell:
        "voxelmill report {input.batches:q} --record {output.record:q}"
        " --config {params.settings:q} --command {params.command:q} > {log:q} 2>&1"
