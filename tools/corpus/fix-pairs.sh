# Building "security fix" pairs: what build-fix-pairs and build-cross-pairs share. To be sourced.
#
# Expects $here (tools/corpus). A script that builds for another machine replaces strip_library.
# shellcheck shell=bash

out=$here/../../.build/corpus
wanted=()

# parse_options USAGE-LINES TABLE OPTION...: fills $out, $table and $wanted; names must be in the table.
parse_options() {
  local lines=$1 name
  table=$2
  shift 2
  while (($#)); do
    case $1 in
      -h | --help) usage "$lines" && exit 0 ;;
      --out) (($# > 1)) || { usage "$lines" >&2 && exit 2; }
        out=$2
        shift 2 ;;
      --table) (($# > 1)) || { usage "$lines" >&2 && exit 2; }
        table=$2
        shift 2 ;;
      -*) usage "$lines" >&2 && exit 2 ;;
      *) break ;;
    esac
  done
  mkdir -p "$out"
  out=$(cd "$out" && pwd)
  wanted=("$@")
  for name in "${wanted[@]}"; do
    if ! cut -f1 "$table" | grep -qxF -- "$name"; then
      echo "${0##*/}: error: not in ${table##*/}: $name" >&2
      exit 2
    fi
  done
}

usage() {
  sed -n "${1}s/^# \{0,1\}//p" "$0"
}

is_wanted() { # NAME
  ((${#wanted[@]} == 0)) || [[ " ${wanted[*]} " == *" $1 "* ]]
}

is_built() { # NAME
  [[ -s $out/$1/new.so && -s $out/$1/old.so ]]
}

print_sizes() { # NAME
  printf '%s\t%s\t%s\n' "$1" "$(stat -c %s "$out/$1/old.so")" "$(stat -c %s "$out/$1/new.so")"
}

work=
trap '[[ -z $work ]] || rm -rf "$work"' EXIT

apt=()
open_source_index() { # fills $apt with the options that make apt-get use lists under $out
  ((${#apt[@]} == 0)) || return 0
  local state=$out/.apt file
  rm -rf "$state/parts"
  mkdir -p "$state/lists/partial" "$state/cache/archives/partial" "$state/parts"
  # The machine's own package sources, asked for source packages instead.
  for file in /etc/apt/sources.list.d/*.sources; do
    [[ -f $file ]] && sed 's/^Types:.*/Types: deb-src/' "$file" >"$state/parts/${file##*/}"
  done
  for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
    [[ -f $file ]] && sed -n 's/^deb /deb-src /p' "$file" >"$state/parts/${file##*/}.list"
  done
  apt=(-qq -o "Dir::Etc::SourceList=/dev/null" -o "Dir::Etc::SourceParts=$state/parts"
    -o "Dir::State::Lists=$state/lists" -o "Dir::Cache=$state/cache" -o "APT::Sandbox::User=")
  apt-get "${apt[@]}" update
}

unpack_source() { # PACKAGE ; leaves $work/tree, with every fix of the package
  local package=$1 store
  open_source_index || return 1
  # What was fetched for another pair is not fetched again.
  store=$out/.apt/sources/$package
  mkdir -p "$store"
  (cd "$store" && apt-get "${apt[@]}" source --download-only --only-source "$package" >/dev/null) ||
    return 1
  dpkg-source -x "$(find "$store" -name '*.dsc' | sort -V | tail -n 1)" "$work/tree" >/dev/null 2>&1
}

build() { # SOURCE BUILDDIR CMAKE-ARGS... ; builds every shared library of the tree
  local source=$1 dir=$2
  shift 2
  cmake -S "$source" -B "$dir" -DBUILD_SHARED_LIBS=ON -DCMAKE_BUILD_TYPE=Release \
    -DCMAKE_C_FLAGS_RELEASE=-O2 -DCMAKE_C_FLAGS="-g0 -fPIC -ffile-prefix-map=$source=." \
    -DCMAKE_SHARED_LINKER_FLAGS="-Wl,--build-id" "$@" >"$dir.log" 2>&1 &&
    cmake --build "$dir" -j"$(nproc)" >>"$dir.log" 2>&1
}

strip_library() { # LIBRARY RESULT
  strip -o "$2" "$1"
}

make_side() { # SIDE LIBRARY CMAKE-ARGS... ; leaves $work/SIDE.so
  local side=$1 library=$2
  shift 2
  rm -rf "$work/build"
  # Both versions are built from and at the same path, so that nothing but the fix differs.
  if ! build "$work/tree" "$work/build" "$@"; then
    tail -n 20 "$work/build.log" >&2
    return 1
  fi
  strip_library "$(readlink -f "$(find "$work/build" -name "$library" | sort | head -n 1)")" \
    "$work/$side.so"
}

make_pair() { # NAME PACKAGE FIXES LIBRARY CMAKE-ARGS... ; leaves $out/NAME/{old,new}.so
  local name=$1 package=$2 fixes=$3 library=$4 fix
  shift 4
  work=$(mktemp -d)
  unpack_source "$package" || return 1
  make_side new "$library" "$@" || return 1
  for fix in $(tr ',' '\n' <<<"$fixes" | tac); do
    patch -s -R -p1 -d "$work/tree" <"$work/tree/debian/patches/$fix" || return 1
  done
  make_side old "$library" "$@" || return 1
  mkdir -p "$out/$name" && mv "$work/old.so" "$out/$name/old.so" &&
    mv "$work/new.so" "$out/$name/new.so" || return 1
  rm -rf "$work"
}
