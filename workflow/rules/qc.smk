rule qc:
    input:
        BATCH,
    output:
        record=f"{RECORDS}/qc/{{batch}}.json",
        table=f"{RESULTS}/{{dataset}}/qc/{{batch}}.parquet",
    log:
        f"{LOGS}/qc/{{batch}}.log",
    conda:
        "../envs/voxelmill.yaml"
    threads: job_threads
    params:
        settings=RUN.settings("qc"),
        run=RUN.execution,
    shell:
        "voxelmill qc {input:q} --record {output.record:q} --config {params.settings:q}"
        " --run {params.run:q} --workers {threads} > {log:q} 2>&1"
