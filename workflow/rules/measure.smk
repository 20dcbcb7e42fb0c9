rule measure:
    input:
        batch=kept(BATCH),
        segmented=kept(f"{RECORDS}/segment/{{batch}}.json"),
        index=kept(INDEX) if RUN.config.store else [],
        profiles=PROFILES,
    output:
        record=kept(f"{RECORDS}/measure/{{batch}}.json"),
        tables=[kept(path) for path in TABLES],
    log:
        logged(f"{LOGS}/measure/{{batch}}.log"),
    conda:
        "../envs/voxelmill.yaml"
    threads: cores("measure")
    resources:
        mem_mb=memory("measure"),
        runtime=minutes("measure"),
        disk_mb=disk("measure"),
    params:
        settings=RUN.settings("measure"),
        run=RUN.execution,
    shell:
        "voxelmill measure {input.batch:q} --segmented {input.segmented:q}"
        " --record {output.record:q} --config {params.settings:q}"
        f" --run {{params.run:q}} --workers {{threads}}{REDIRECT}"
