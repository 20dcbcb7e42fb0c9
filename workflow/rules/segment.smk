rule segment:
    input:
        batch=kept(BATCH),
        gate=gate,
        profiles=PROFILES,
    output:
        record=kept(f"{RECORDS}/segment/{{batch}}.json"),
        index=kept(INDEX),
    log:
        logged(f"{LOGS}/segment/{{batch}}.log"),
    conda:
        f"../envs/{RUN.environment}"
    threads: cores("segment")
    resources:
        mem_mb=memory("segment"),
        runtime=minutes("segment"),
        disk_mb=disk("segment"),
    params:
        settings=RUN.settings("segment"),
        run=RUN.execution,
    shell:
        "voxelmill segment {input.batch:q} {input.gate:q} --record {output.record:q}"
        f" --config {{params.settings:q}} --run {{params.run:q}} --workers {{threads}}{REDIRECT}"
