rule qc:
    input:
        kept(BATCH),
    output:
        record=kept(f"{RECORDS}/qc/{{batch}}.json"),
        table=kept("{dataset}/qc/{batch}.parquet"),
    log:
        logged(f"{LOGS}/qc/{{batch}}.log"),
    conda:
        "../envs/voxelmill.yaml"
    threads: cores("qc")
    resources:
        mem_mb=memory("qc"),
        runtime=minutes("qc"),
        disk_mb=disk("qc"),
    params:
        settings=RUN.settings("qc"),
        run=RUN.execution,
    shell:
        "voxelmill qc {input:q} --record {output.record:q} --config {params.settings:q}"
        f" --run {{params.run:q}} --workers {{threads}}{REDIRECT}"
