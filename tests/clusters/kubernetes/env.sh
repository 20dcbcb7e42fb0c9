# Sourced by the scripts of this folder: paths, addresses, and what more than one of them does.
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
STATE=${K8S_TEST_ROOT:-${XDG_STATE_HOME:-$HOME/.local/state}/voxelmill-clusters/kubernetes}
CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/voxelmill-clusters/kubernetes
SRC=$CACHE/kubernetes
BIN=$SRC/_output/local/bin/linux/$(dpkg --print-architecture)
PROGRAMS="kube-apiserver kube-controller-manager kube-scheduler kubelet"
PAUSE_TAR=$CACHE/pause.tar PAUSE_IMAGE=localhost/pause:3.2
API_PORT=16443 ETCD_PORT=12379 STORE_PORT=${RGW_PORT:-17480}
# The address of the API server inside a cluster, and that of the node: both on lo, where pods reach
# them through their bridge. A node's address must not be in 127/8.
SERVICE_IP=10.96.0.1 NODE_IP=10.255.77.1 NODE=node0 BRIDGE=vxmill0
SOCK=$STATE/ctd/containerd.sock
# In the environment of all that `up` starts, and of whatever that starts, containers excepted:
# tells our processes from others whose pid or name is the same.
MARK=VOXELMILL_KUBERNETES=$STATE

# a zombie counts as gone: a container's pid 1 may take seconds to reap it
running() {
  local st; { read -r st <"/proc/$1/stat"; } 2>/dev/null || return 1
  st=${st##*) }; [ "${st%% *}" != Z ]
}
ours() { running "$1" && grep -qzxF -- "$MARK" "/proc/$1/environ" 2>/dev/null; }
admin() {
  timeout 60 kubectl --kubeconfig "$STATE/admin.kubeconfig" --cache-dir "$STATE/kubectl" "$@"
}

packages() { # packages NAME...: install those that are missing
  local p log policy=/usr/sbin/policy-rc.d made= need=() failed=
  for p in "$@"; do
    dpkg-query -W -f='${Status}' "$p" 2>/dev/null | grep -q 'ok installed' || need+=("$p")
  done
  [ ${#need[@]} -gt 0 ] || return 0
  log=$(mktemp)
  # Clusters come up side by side, and apt waits for no other that reads the package lists.
  exec 8>/run/lock/voxelmill-apt; flock 8
  # etcd and containerd are not to be started as services on hosts that have an init
  [ -e $policy ] || { printf '#!/bin/sh\nexit 101\n' >$policy; chmod 755 $policy; made=1; }
  apt() { DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=600 "$@" 8>&- 9>&-; }
  install() { apt install -y --no-install-recommends "${need[@]}" >"$log" 2>&1 </dev/null; }
  install || { apt update >/dev/null; install; } || failed=1
  [ -z "$made" ] || rm -f $policy
  exec 8>&-
  [ -z "$failed" ] || { tail -20 "$log" >&2; return 1; }
  rm -f "$log"
}
