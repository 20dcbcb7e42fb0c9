rule provenance:
    input:
        batches=of_batches(BATCH),
        records=of_batches(
            *[
                f"{RECORDS}/{step}/{{batch}}.json"
                for step in ("qc", "segment", "measure")
            ]
        ),
        aggregated=kept(f"{RECORDS}/aggregate.json"),
        reported=kept(f"{RECORDS}/report.json"),
        reviewed=(
            kept(f"{RECORDS}/review.json") if RUN.config.qc.gate != "report" else []
        ),
        approval=kept("{dataset}/approval.json") if ASKS else [],
        profiles=PROFILES,
        plate_map=plate_map,
    output:
        record=kept(f"{RECORDS}/provenance.json"),
        crate=kept("{dataset}/ro-crate-metadata.json"),
        checksums=kept("{dataset}/checksums.md5"),
    log:
        logged(f"{LOGS}/provenance.log", beside=True),
    conda:
        "../envs/voxelmill.yaml"
    resources:
        mem_mb=memory("provenance"),
        runtime=minutes("provenance"),
    params:
        settings=RUN.settings("provenance"),
        plate_map=plate_map_option,
        pixel_bytes=pixel_bytes,
        container=container_option,
    shell:
        "voxelmill provenance {input.batches:q} {params.plate_map:q} --record {output.record:q}"
        " --config {params.settings:q} --pixel-bytes {params.pixel_bytes} {params.container:q}"
        " > {log:q} 2>&1"
