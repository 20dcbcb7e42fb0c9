"""What `voxelmill view` shows: results and their images in a web viewer, on this machine only.

    client     the viewer's own files, out of its published package
    metadata   OME-NGFF metadata of an image and of its labels, said alike, as the viewer reads them
    channels   how each channel is shown: name, colour, contrast
    scene      an image and its labels → the state of the viewer
    page       the pages with the lists of datasets and images
    answers    a request's headers → which bytes, with which headers: pure
    server     HTTP on the loopback address

In: what `steps.viewdata` found under the results. The viewer is Neuroglancer, see decision 24.
"""
