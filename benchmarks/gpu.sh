#!/usr/bin/env bash
# Measures everything that needs a GPU in under 8 minutes, and writes logs, JSON and tables into one folder.
#
#   bash benchmarks/gpu.sh
#
# Run it in an environment with: pip install -e '.[test,gpu]'. It installs nothing and changes no setting of the GPU.
# A step that fails does not end the run; the exit code is 1 if any step failed. Steps share the time: what does not
# fit is stopped, and counts as failed. Each step has a log, and the last one writes summary.md and throughput-gpu.md.
#
# To try every line without a GPU, in a few minutes:
#
#   NETSCOPE_GPU_DEVICE=cpu bash benchmarks/gpu.sh
#
# Variables, with their defaults on a GPU:
#   OUT                         folder of the results (./gpu-results)
#   PYTHON                      the interpreter (python)
#   NETSCOPE_GPU_DEVICE         cuda, or cpu, where steps that need CUDA are skipped (cuda)
#   NETSCOPE_GPU_STEPS          names of the steps to run, separated by spaces (all)
#   NETSCOPE_GPU_SECONDS        seconds for everything (470)
#   NETSCOPE_GPU_PATIENCE       factor on the limit of each step, for slow machines (1; 10 with cpu)
#   NETSCOPE_GPU_MAX_TIME       --max-time of each architecture and configuration (2)
#   NETSCOPE_GPU_ARCHITECTURES  architectures of the table ("alexnet-paper alexnet-tv resnet50 vit_b_16")
#   NETSCOPE_GPU_BATCHES        batch sizes of the table (1,64,256)
#   NETSCOPE_GPU_DTYPES         dtypes of the table (fp32,tf32,bf16)
#   NETSCOPE_GPU_MODEL          the architecture of the single steps (resnet50)
#   NETSCOPE_GPU_BATCH          its batch size (64)
set -uo pipefail

device=${NETSCOPE_GPU_DEVICE:-cuda}
if [[ $device == cpu ]]; then
    defaults=(1800 1 "lenet5 alexnet-d2l@num_classes=10" 1,2 fp32,bf16 resnet18 1 10)
else
    defaults=(470 2 "alexnet-paper alexnet-tv resnet50 vit_b_16" 1,64,256 fp32,tf32,bf16 resnet50 64 1)
fi
seconds=${NETSCOPE_GPU_SECONDS:-${defaults[0]}}
max_time=${NETSCOPE_GPU_MAX_TIME:-${defaults[1]}}
read -ra architectures <<<"${NETSCOPE_GPU_ARCHITECTURES:-${defaults[2]}}"
batches=${NETSCOPE_GPU_BATCHES:-${defaults[3]}}
dtypes=${NETSCOPE_GPU_DTYPES:-${defaults[4]}}
model=${NETSCOPE_GPU_MODEL:-${defaults[5]}}
batch=${NETSCOPE_GPU_BATCH:-${defaults[6]}}
patience=${NETSCOPE_GPU_PATIENCE:-${defaults[7]}}
python=${PYTHON:-python}
steps=" ${NETSCOPE_GPU_STEPS:-} "

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
out=${OUT:-$PWD/gpu-results}
mkdir -p "$out" && out=$(cd "$out" && pwd) || exit 1
cd "$here/.." || exit 1
export PYTHONPATH=$PWD${PYTHONPATH:+:$PYTHONPATH}
export COLUMNS=160
failed=()
SECONDS=0
printf 'step\tresult\tseconds\n' >"$out/steps.tsv"

# step NAME LIMIT COMMAND…: runs a command for at most LIMIT seconds, with its output in NAME.log.
step() {
    local name=$1 limit=$(($2 * patience)) start=$SECONDS left=$((seconds - SECONDS)) code
    shift 2
    [[ $steps =~ ^\ *$ || $steps == *" $name "* ]] || return 0
    if ((left < 1)); then
        finish "$name" "no time left" 0
        return
    fi
    ((limit < left)) || limit=$left
    echo "$name: $*"
    timeout --kill-after=10 "$limit" "$@" >"$out/$name.log" 2>&1
    code=$?
    case $code in
        0) finish "$name" ok $((SECONDS - start)) ;;
        124 | 137) finish "$name" "stopped after $limit s" $((SECONDS - start)) ;;
        *) finish "$name" "exit code $code" $((SECONDS - start)) && tail -n 5 "$out/$name.log" ;;
    esac
}

# cuda_step NAME LIMIT COMMAND…: the same, or says that the step is skipped if the device is not CUDA.
cuda_step() {
    if [[ $device == cuda* ]]; then step "$@"; else echo "$1" && finish "$1" "skipped: it needs CUDA" 0; fi
}

finish() {
    printf '%s\t%s\t%s\n' "$1" "$2" "$3" >>"$out/steps.tsv"
    echo "  $2, $3 s"
    [[ $2 == ok || $2 == skipped:* ]] || failed+=("$1 ($2)")
}

# bench NAME LIMIT ARGUMENT…: a step of netscope bench with its results in NAME.json.
bench() {
    local name=$1 limit=$2
    shift 2
    step "$name" "$limit" "$python" -m netscope bench "$@" --device "$device" --max-time "$max_time" \
        -o "$out/$name.json"
}

cuda_bench() {
    if [[ $device == cuda* ]]; then bench "$@"; else cuda_step "$@"; fi
}

gpu_py() {
    local name=$1 limit=$2
    shift 2
    step "$name" "$limit" "$python" benchmarks/gpu.py "$@"
}

gpu_py environment 30 environment "$device"
if [[ $device == cuda* ]]; then gpu_py nvml 30 nvml; else cuda_step nvml 0; fi
step selftest 60 "$python" -m netscope bench --selftest --device "$device"
bench out-of-memory 40 "$model" --mode train --batch-size 1000000,1
gpu_py out-of-memory-check 20 check "$out/out-of-memory.json" oom ok
cuda_bench cuda-graph 40 "$model" --batch-size 1 --mode infer,train --cuda-graph
cuda_bench transfers 20 lenet5 --batch-size 8192 --data host
bench textbook 20 alexnet-d2l --mode train --batch-size "${NETSCOPE_GPU_TEXTBOOK_BATCH:-$((batch * 2))}"
bench compile 90 "$model" --batch-size "$batch" --compile
gpu_py timm 60 timm "$device" "$batch" "$max_time" "timm/$model"
# Each of the other tests has a step of its own above. The reports of the tests stay in their folders.
step tests 150 "$python" -m pytest -v -m gpu -p no:cacheprovider --durations=10 --basetemp="$out/tests" \
    tests/gpu tests/tracing/test_counting_cases.py -k "not self_test and not compile and not out_of_memory"
bench table 300 "${architectures[@]}" --batch-size "$batches" --dtype "$dtypes" --mode infer,train
seconds=$((seconds + 30 * patience)) # the results so far are summed up in any case
gpu_py tables 30 tables "$out"

echo "$SECONDS s; the results are in $out"
if ((${#failed[@]})); then
    printf 'failed: %s\n' "${failed[@]}"
    exit 1
fi
