rule segment:
    input:
        BATCH,
    output:
        record=f"{RECORDS}/segment/{{batch}}.json",
        index=f"{RESULTS}/{{dataset}}/index/{{batch}}.parquet",
    log:
        f"{LOGS}/segment/{{batch}}.log",
    conda:
        f"../envs/{RUN.environment}"
    threads: job_threads
    params:
        settings=RUN.settings("segment"),
        run=RUN.execution,
    shell:
        "voxelmill segment {input:q} --record {output.record:q} --config {params.settings:q}"
        " --run {params.run:q} --workers {threads} > {log:q} 2>&1"
