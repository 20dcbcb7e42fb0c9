# Cellpose 3 asks for an older NumPy (< 2.1) than it needs for what is used of it, its networks. So it
# comes alone; what these need stands in cellpose3.yaml.
set -eu
python -m pip install --quiet --no-deps cellpose==3.1.1.3
