rule aggregate:
    input:
        batches=of_batches(BATCH),
        records=of_batches(
            f"{RECORDS}/qc/{{batch}}.json", f"{RECORDS}/measure/{{batch}}.json"
        ),
        besides=read_too(
            f"{RECORDS}/segment/{{batch}}.json",
            "{dataset}/qc/{batch}.parquet",
            *TABLES,
        ),
        plate_map=plate_map,
    output:
        record=kept(f"{RECORDS}/aggregate.json"),
        images=kept("{dataset}/images.parquet"),
        wells=kept("{dataset}/wells.parquet"),
    log:
        logged(f"{LOGS}/aggregate.log", beside=True),
    conda:
        "../envs/voxelmill.yaml"
    resources:
        mem_mb=memory("aggregate"),
        runtime=minutes("aggregate"),
    params:
        settings=RUN.settings("aggregate"),
        plate_map=plate_map_option,
    shell:
        "voxelmill aggregate {input.batches:q} {params.plate_map:q} --record {output.record:q}"
        " --config {params.settings:q} > {log:q} 2>&1"


# Last: everything else is finished before a run ends non-zero for what it had to leave out.
rule check:
    input:
        [kept(f"{dataset}/records/aggregate.json") for dataset in RUN.datasets],
    output:
        kept(RUN.verdict.name),
    log:
        logged("check.log", beside=True),
    conda:
        "../envs/voxelmill.yaml"
    params:
        most=RUN.config.max_quarantined,
    shell:
        "voxelmill check {input:q} --record {output:q} --max-quarantined {params.most}"
        " > {log:q} 2>&1"
