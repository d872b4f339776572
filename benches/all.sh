#!/usr/bin/env bash
# Runs the benches, one after the other, and fills benches/results, the tables and the plot with what they measure:
#
#   bash benches/all.sh PHOTOS [OPTIONS] [NAME ...]      the benches that are named, or all of them; PHOTOS: many JPEGs
#   bash benches/all.sh --list                           the names, and the results of each
#
#   --scratch DIR   the folder of images and outputs, on a disk with 20 GB of room; default: the system's
#   --again         also runs what has results of this commit and machine
#   --dirty         also runs where the tree has changes; the results say so, and are not to be committed
#   --quick         tiny sizes, to try the script: its results stay below target/benches/quick
#
# A run that was stopped continues where it was: results are kept in target/benches/COMMIT/MACHINE until all are there. On
# more than two cores, two are used. It makes a release build, and a virtual environment of its own with the wheel and all
# that inlaid is compared with, in target/benches; with --quick, INLAID_BIN and PYTHON may name others. What can't be
# installed or measured is reported as `left out: NAME (WHY)`, and its rows are missing; the status is 1 if a bench failed.
#
# Needs Linux, Rust, Python 3.10 or later with venv, a C++ compiler, cmake and nasm; and what the heads of
# benches/requirements*.txt say. A new bench is a line of the table below.
set -euo pipefail
cd "$(dirname "$0")/.."

# The name, the files of results, the command, and what --quick adds to it.
table() {
  cat << 'END'
build          | build                                           | build.py --repeat 2                                           | --repeat 1 -- cargo --version
convert        | ceiling obvious                                 | convert.py PHOTOS --images 2000 --repeat 7                    | --images 20 --repeat 1
encode         | pages                                           | encode.py                                                     | -- --quick
peers          | peers peers-tf-data                             | peers.py PHOTOS --images 8000 --repeat 3 --libjpeg-turbo      | --images 20 --repeat 1
resizing       | resizing                                        | resizing.py PHOTOS --images 60 --repeat 7                     | --images 4 --repeat 1
decoders       | decoder-difference decoders                     | decoders.py PHOTOS --images 200 --large 40 --repeat 5         | --images 8 --large 2 --repeat 1
sizes          | sizes                                           | sizes.py PHOTOS --images 1000                                 | --images 20
memory         | memory                                          | memory.py PHOTOS --images 20000 --repeat 3                    | --images 40 --few 20 --repeat 1
listing        | listing                                         | memory.py PHOTOS --list-only --images 1000000 --repeat 3      | --images 2000 --repeat 1
reading        | reading storage views loops                     | reading.py PHOTOS --images 4000 --repeat 5                    | --images 128 --repeat 1
reading-memory | reading-memory                                  | reading.py PHOTOS --memory --images 50000 --repeat 3          | --images 128 --repeat 1
passes         | passes                                          | reading.py PHOTOS --passes 600 --repeat 1                     | --passes 3
loading        | loading-resize loading-decode loading-augment   | loading.py PHOTOS --images 1024 --repeat 5                    | --images 512 --repeat 1
image-files    | image-files                                     | storage.py PHOTOS --images 1000 --jpeg-decoder libjpeg-turbo  | --images 20 --repeat 1
pipelines      | pipelines                                       | pipelines.py PHOTOS --images 1000 --repeat 3                  | --images 100 --repeat 1
stores         | stores                                          | stores.py PHOTOS --images 3000 --repeat 5                     | --images 20 --repeat 1
store-reading  | store-reading                                   | store_reading.py PHOTOS --images 3000 --repeat 5              | --images 20 --repeat 1
append         | append                                          | append.py PHOTOS --images 20000 --appends 1000 --repeat 3     | --images 40 --new 10 --appends 3 --repeat 1
repack         | repack                                          | repack.py PHOTOS --images 10000 --repeat 3                    | --images 40 --few 20 --repeat 1
END
}

benches="$PWD/target/benches"
venv="$benches/venv"
photos="" scratch="${TMPDIR:-/tmp}" again="" dirty="" quick=""
names=() ran=() skipped=() failed=()

main() {
  arguments "$@"
  two_cores
  { read -r commit && read -r machine; } < <(python3 benches/results.py)
  if [[ $commit = *-dirty && -z $dirty ]]; then
    fail "the tree has changes, which results of a commit must not have; with --dirty they say so"
  fi
  local root="$benches${quick:+/quick}/$(state)"
  results="$root/${machine// /-}"
  mkdir -p "$results"
  echo "at $commit, on $machine; results in ${results#"$PWD/"}"
  pending
  if ((${#names[@]})); then
    binary "$root"
    packages
    package "$root"
    work="$(mktemp -d "$scratch/inlaid-benches-XXXXXX")"
    trap 'rm -rf "$work"' EXIT
    trap 'exit 130' INT TERM
    export TMPDIR="$work"
    for name in "${names[@]}"; do
      bench "$name"
    done
  fi
  publish
  summary
  ((${#failed[@]} == 0))
}

arguments() {
  while (($#)); do
    case $1 in
      --list)
        while IFS='|' read -r name files _; do echo "$(words "$name"): $(words "$files")"; done < <(table)
        exit ;;
      --help)
        sed -n '2,/^set/s/^# \{0,1\}//p' "$0"
        exit ;;
      --scratch) scratch="${2:?"--scratch needs a folder"}" && shift ;;
      --again | --dirty | --quick) printf -v "${1#--}" 1 ;;
      -*) usage "no option is named $1" ;;
      *) if [[ -z $photos ]]; then photos="$1"; else names+=("$1"); fi ;;
    esac
    shift
  done
  [[ -d $photos ]] || usage "PHOTOS must be a folder"
  photos="$(realpath "$photos")"
  mkdir -p "$scratch"
  scratch="$(realpath "$scratch")"
  local every
  mapfile -t every < <(table | while IFS='|' read -r name _; do words "$name"; done)
  ((${#names[@]})) || names=("${every[@]}")
  for name in "${names[@]}"; do
    [[ " ${every[*]} " = *" $name "* ]] || usage "no bench is named $name; there are: ${every[*]}"
  done
  if [[ -z $quick && -n ${INLAID_BIN:-}${PYTHON:-} ]]; then
    fail "INLAID_BIN and PYTHON are for --quick: results are of what the commit builds"
  fi
}

# So that machines with more compare with those that have two.
two_cores() {
  local cores
  cores="$(python3 -c 'import os; print(*sorted(os.sched_getaffinity(0))[:2], sep=",")')"
  taskset --cpu-list --pid "$cores" $$ > /dev/null
}

# The folder of what is kept: changes of a tree have one of their own.
state() {
  echo "$commit$([[ $commit != *-dirty ]] || { git diff HEAD && git status --porcelain; } | sha1sum | head -c 8)"
}

# Leaves the names of benches whose results are not there.
pending() {
  local every=("${names[@]}")
  names=()
  for name in "${every[@]}"; do
    if [[ -d $results/$name && -z $again ]]; then
      skipped+=("$name")
      echo "there already: $name"
    else
      names+=("$name")
    fi
  done
}

# The release build, kept where no later build replaces it.
binary() {
  [[ -z ${INLAID_BIN:-} ]] || return 0
  export INLAID_BIN="$1/inlaid"
  [[ ! -x $INLAID_BIN ]] || return 0
  echo "== the release build"
  command -v nasm > /dev/null || [[ $(uname -m) != x86_64 ]] || fail "there is no nasm, without which libjpeg-turbo is slow"
  cargo build --locked --release --features turbojpeg,formats,remote --bin inlaid
  cp "${CARGO_TARGET_DIR:-target}/release/inlaid" "$INLAID_BIN.part"
  mv "$INLAID_BIN.part" "$INLAID_BIN"
}

# The virtual environment, with all packages that can be installed; what can't is remembered in left-out.txt.
packages() {
  [[ -z ${PYTHON:-} ]] || return 0
  python="$venv/bin/python"
  # Those that stand alone are built with others.
  local files=(tests/interop/requirements{-tools,-light,,-scale}.txt benches/requirements-{reading,loading,pipelines,alone}.txt)
  cat "${files[@]}" | cmp -s - "$venv/installed.txt" && return
  echo "== packages"
  [[ -x $python ]] || python3 -m venv "$venv"
  : > "$venv/left-out.txt"
  for file in "${files[@]}"; do
    if [[ $file = *-alone.txt ]]; then
      install "$file" --no-deps --no-build-isolation
    else
      install "$file"
    fi
  done
  cat "${files[@]}" > "$venv/installed.txt"
}

# install FILE OPTIONS: what a file names, one by one if not together.
install() {
  local pip=("$python" -m pip install --quiet --disable-pip-version-check "${@:2}")
  "${pip[@]}" -r "$1" || while read -r package; do
    "${pip[@]}" "$package" < /dev/null || echo "left out: $package (can't be installed)" | tee -a "$venv/left-out.txt"
  done < <(sed '/^#/d; /^-r/d; /^$/d' "$1")
}

# The wheel of the commit.
package() {
  if [[ -n ${PYTHON:-} ]]; then
    python="$PYTHON"
    return
  fi
  if ! compgen -G "$1/wheels/*.whl" > /dev/null; then
    echo "== the wheel"
    VIRTUAL_ENV="$venv" "$venv/bin/maturin" build --locked --release --manifest-path python/Cargo.toml \
      --features turbojpeg --interpreter "$python" --out "$1/wheels" --quiet
  fi
  "$python" -m pip install --quiet --disable-pip-version-check --force-reinstall --no-deps "$1"/wheels/*.whl
}

# bench NAME: runs it, and keeps its results if they are those of the table.
bench() {
  local files command more part="$results/$1.part"
  IFS='|' read -r _ files command more < <(table | grep "^$1 ")
  local parts=() expected
  for word in $command ${quick:+$more}; do
    [[ $word != PHOTOS ]] || word="$photos"
    parts+=("$word")
  done
  # Before what quick adds, which may end in `--`.
  parts=("${parts[0]}" --json "$part" "${parts[@]:1}")
  echo "== $1: python benches/${parts[*]}"
  rm -rf "$part"
  mkdir "$part"
  if ! "$python" "benches/${parts[0]}" "${parts[@]:1}" 2>&1 | tee "$part/log"; then
    failed+=("$1")
    return
  fi
  expected="$(printf '%s.json\n' $files | sort)"
  if [[ $(cd "$part" && printf '%s\n' *.json | sort) != "$expected" ]]; then
    echo "error: $1 wrote $(cd "$part" && echo *.json)"
    failed+=("$1")
  elif [[ $(grep -l "\"commit\": \"$commit\"" "$part"/*.json | wc -l) != $(words $files | wc -w) ]]; then
    echo "error: the tree has changed since $1 began"
    failed+=("$1")
  else
    rm -rf "${results:?}/$1"
    mv "$part" "$results/$1"
    ran+=("$1")
  fi
}

# Results, tables, the plot and the figures of the README.
publish() {
  if [[ -n $quick ]]; then
    return
  fi
  for name in "${ran[@]}" "${skipped[@]}"; do
    cp "$results/$name"/*.json benches/results
  done
  PYTHON=python3 bash docs/make result_tables reading_plot readme_figures
}

summary() {
  echo "== summary"
  echo "run: ${ran[*]:-nothing}"
  echo "there already: ${skipped[*]:-nothing}"
  echo "failed: ${failed[*]:-nothing}"
  for name in "${failed[@]}"; do
    echo "  ${results#"$PWD/"}/$name.part/log"
  done
  cat "$venv/left-out.txt" 2> /dev/null || true
  for name in "${ran[@]}" "${skipped[@]}"; do
    grep -h '^left out: ' "$results/$name/log" | sed "s/$/, in $name/" || true
  done
}

words() {
  echo $*
}

usage() {
  echo "error: $1; see --help" >&2
  exit 2
}

fail() {
  echo "error: $1" >&2
  exit 1
}

main "$@"
