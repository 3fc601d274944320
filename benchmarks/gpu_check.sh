#!/usr/bin/env bash
# What only a machine with an NVIDIA GPU can show, in under five minutes:
#
#     bash benchmarks/gpu_check.sh [--rehearse]
#
# CUDA starts and computes inside the sandbox; a run has one device, by UUID, and the record names it; two pairs are
# measured on one device; a second session waits for the lease; a killed session leaves nothing on the device. Needs the
# extra `gpu`, nvidia-smi, and a driver; no CUDA toolkit and no framework.
#
# --rehearse plays NVML and computes on the processor: it tries this script where there is no GPU, and shows nothing of
# a GPU.
set -euo pipefail
room=$(mktemp -d)
python=${PYTHON:-python3}
began=$SECONDS
second=1 # of a short run; a rehearsal computes nothing
export XDG_CACHE_HOME=$room/cache

finish() {
  for each in "$room"/*.pid; do kill -INT "$(cat "$each")" 2>/dev/null || true; done
  wait
  rm -rf "$room"
}
trap finish EXIT

say() { printf '%4d s  %s\n' $((SECONDS - began)) "$*"; }
fail() { say "FAILED: $*"; exit 1; }

if [ "${1:-}" = --rehearse ]; then
  say "REHEARSAL: NVML is played, the processor computes; nothing here is seen on a GPU"
  uuid=GPU-00000000-aaaa-bbbb-cccc-000000000000
  mkdir "$room/played"
  cat >"$room/played/pynvml.py" <<EOF
from types import SimpleNamespace

class NVMLError(Exception): ...
def nvmlInit(): ...
def nvmlDeviceGetCount(): return 1
def nvmlDeviceGetHandleByIndex(index): return index
def nvmlDeviceGetUUID(handle): return "$uuid"
def nvmlDeviceGetName(handle): return "Played"
def nvmlDeviceGetPciInfo(handle): raise NVMLError
def nvmlDeviceGetMinorNumber(handle): return 0
def nvmlDeviceGetMemoryInfo(handle): return SimpleNamespace(free=1 << 34)
def nvmlDeviceGetComputeRunningProcesses(handle): return []
def nvmlDeviceGetCurrentClocksThrottleReasons(handle): return 0
EOF
  export PYTHONPATH=$room/played REHEARSED=yes
  second=0.1
  on_device() { :; }
else
  command -v nvidia-smi >/dev/null || { say "not seen: there is no nvidia-smi here"; exit 3; }
  "$python" -c 'import pynvml' || fail "pip install 'pytest-autoresearch[gpu]'"
  uuid=$(nvidia-smi --query-gpu=uuid --format=csv,noheader | head -n 1)
  on_device() { nvidia-smi --query-compute-apps=pid --format=csv,noheader --id="$uuid"; }
fi
export CUDA_VISIBLE_DEVICES=$uuid # all sessions here have to share this one
say "device $uuid"

repository() { # NAME SECONDS: a repository whose run computes on the device for so long
  mkdir -p "$room/$1"
  cat >"$room/$1/train.py" <<'EOF'
import ctypes, os, random, sys, time

RATE = 8.0


def check(answer):
    if answer:
        sys.exit(f"CUDA answers {answer}")


def computed(seconds):
    """Writes memory of the device and reads it back for so long; the device's UUID."""
    if "REHEARSED" in os.environ:
        time.sleep(seconds)
        return os.environ["CUDA_VISIBLE_DEVICES"]
    cuda = ctypes.CDLL("libcuda.so.1")
    device, context, memory, count = ctypes.c_int(), ctypes.c_void_p(), ctypes.c_uint64(), ctypes.c_int()
    check(cuda.cuInit(0))
    check(cuda.cuDeviceGetCount(ctypes.byref(count)))
    if count.value != 1:
        sys.exit(f"{count.value} devices are visible")
    check(cuda.cuDeviceGet(ctypes.byref(device), 0))
    name = (ctypes.c_ubyte * 16)()
    check(cuda.cuDeviceGetUuid_v2(name, device))
    check(cuda.cuDevicePrimaryCtxRetain(ctypes.byref(context), device))
    check(cuda.cuCtxSetCurrent(context))
    words = 1 << 24
    check(cuda.cuMemAlloc_v2(ctypes.byref(memory), ctypes.c_size_t(4 * words)))
    last, until, turn = ctypes.c_uint32(), time.monotonic() + seconds, 0
    while turn == 0 or time.monotonic() < until:
        turn += 1
        check(cuda.cuMemsetD32_v2(memory, ctypes.c_uint(turn), ctypes.c_size_t(words)))
        end = ctypes.c_uint64(memory.value + 4 * (words - 1))
        check(cuda.cuMemcpyDtoH_v2(ctypes.byref(last), end, ctypes.c_size_t(4)))
        if last.value != turn:
            sys.exit("the device does not hold what was written")
    digits = bytes(name).hex()
    return f"GPU-{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


found = computed(float(open("seconds").read()))
if found != os.environ["CUDA_VISIBLE_DEVICES"]:
    sys.exit(f"computed on {found}")
print("loss:", RATE + random.Random(os.environ["AUTORESEARCH_SEED"]).gauss(0, 0.01))
EOF
  echo "$2" >"$room/$1/seconds"
  cat >"$room/$1/autoresearch.config.md" <<EOF
---
env: {CHECK: $1${REHEARSED:+, REHEARSED: yes}}
---
## Goal
Be small.
## Metric
- Name: loss
- Direction: lower
## Target Files
- train.py
## Run Command
    $python train.py
## Time Budget
60s
## Branch
autoresearch/check
EOF
  git -C "$room/$1" init -q
  git -C "$room/$1" add -A
  git -C "$room/$1" -c user.name=check -c user.email=check@example.invalid commit -q -m start
}

session() { # NAME OPTIONS…: a session there, whose agent makes it better with each proposal
  (
    cd "$room/$1"
    echo "$BASHPID" >"$room/$1.pid"
    exec "$python" -m pytest -q -p no:cacheprovider --autoresearch --autoresearch-seed 1 \
      "--autoresearch-agent=command:sed -i 's/^RATE = .*/RATE = 4.0/' train.py; echo lower" "${@:2}"
  )
}

running() { # NAME: the processes of its runs
  grep -lzsx "CHECK=$1" /proc/[0-9]*/environ || true
}

measured() { # NAME: of every run in the ledger, its role, its devices and whether it gave a number
  "$python" - "$room/$1" <<'EOF'
import sys
from pytest_autoresearch import records

for record in records(sys.argv[1]):
    for run in getattr(record, "measurements", ()):
        print(run.role.value, ",".join(run.place.devices), "number" if run.value is not None else run.detail)
EOF
}

repository one $second
"$python" -m pytest_autoresearch.cli doctor --no-run "$room/one" >"$room/doctor" || [ -n "${REHEARSED:-}" ] ||
  { cat "$room/doctor"; fail "doctor"; }
grep -iE '(gpu|cuda|isolation) ' "$room/doctor" | sed 's/^/        /' || true
[ -n "${REHEARSED:-}" ] || grep -q 'starts inside the sandbox' "$room/doctor" || fail "CUDA does not start in the sandbox"

session one --autoresearch-experiments=1 --autoresearch-judge=certified >"$room/said" || { cat "$room/said"; fail "a session"; }
measured one >"$room/measured"
grep -v " $uuid number\$" "$room/measured" && fail "runs without a number, or elsewhere than on $uuid"
pairs=$(grep -c '^candidate ' "$room/measured") || true
[ "$pairs" -ge 2 ] || fail "$pairs runs of the candidate, and two pairs were wanted"
[ "$(grep -c '^incumbent ' "$room/measured")" -ge 2 ] || fail "no incumbent was run beside the candidate"
say "CUDA computes in the sandbox; $(wc -l <"$room/measured") runs, $pairs of the candidate, all on the leased device, named in the record"

repository long 20
session long --autoresearch-experiments=2 >"$room/long-said" 2>&1 &
long=$!
for _ in $(seq 200); do
  [ -n "$(running long)" ] && [ -n "${REHEARSED:-}$(on_device)" ] && break
  sleep 0.2
done
[ -n "$(running long)" ] || { cat "$room/long-said"; fail "a long run does not begin"; }
repository other $second
session other --autoresearch-experiments=1 >"$room/other-said" 2>&1 &
other=$!
for _ in $(seq 150); do grep -q 'waiting for a GPU' "$room/other-said" && break; sleep 0.2; done
grep -q 'waiting for a GPU' "$room/other-said" || { cat "$room/other-said"; fail "a second session did not wait for the lease"; }
say "a second session waits for the lease"

kill -KILL "$(cat "$room/long.pid")"
wait "$long" 2>/dev/null || true
for _ in $(seq 50); do
  left=$(running long)
  [ -z "$left" ] && break
  sleep 0.2
done
[ -z "$left" ] || fail "the killed session left $left"
wait "$other" || { cat "$room/other-said"; fail "the session that waited"; }
measured other | grep -v " $uuid number\$" && fail "the session that waited measured elsewhere"
[ -z "$(on_device)" ] || fail "processes are left on the device: $(on_device)"
say "a killed session leaves nothing on the device, and its lease to the one that waits"

say "all of it holds${REHEARSED:+, in a rehearsal}"
