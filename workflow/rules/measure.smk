rule measure:
    input:
        batch=BATCH,
        segmented=f"{RECORDS}/segment/{{batch}}.json",
    output:
        record=f"{RECORDS}/measure/{{batch}}.json",
        tables=[
            f"{RESULTS}/{{dataset}}/objects/{s}/{{batch}}.parquet" for s in RUN.objects
        ],
    log:
        f"{LOGS}/measure/{{batch}}.log",
    conda:
        "../envs/voxelmill.yaml"
    threads: job_threads
    params:
        settings=RUN.settings("measure"),
        run=RUN.execution,
    shell:
        "voxelmill measure {input.batch:q} --segmented {input.segmented:q}"
        " --record {output.record:q} --config {params.settings:q}"
        " --run {params.run:q} --workers {threads} > {log:q} 2>&1"
