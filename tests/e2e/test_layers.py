# SPDX-License-Identifier: BSD-3-Clause
"""The plan of the house holds: which room may know which, and that machines touch nothing outside.

Includes are read from the source tree. What a machine imports is read from its built object: each
undefined symbol must be defined by another object that was checked the same way, or be a function of
the C library that only computes. So not even by way of a helper in base does a machine reach a
socket, a clock, the event loop, a thread, or a file.
"""
import functools
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

import postern
import tap

# A room is a folder: what it may include of others. The longest folder that fits decides.
ROOMS = {
    "src/postern": [],
    "src/base": ["src/postern/address.h"],
    "src/wire": ["src/postern", "src/base"],
    "src/proto": ["src/postern", "src/base", "src/wire"],
    "src/net": ["src/postern", "src/base", "src/wire", "src/proto"],
    "stunclient": ["src"],
    "stunclient/peer": ["src", "stunclient"],
    "turnserver": ["src"],
    "turnserver/auth": ["src/postern", "src/base", "src/wire", "src/proto"],
    "turnserver/turn": ["src/postern", "src/base", "src/wire", "src/proto", "turnserver/auth"],
    "turnserver/rendezvous": ["src/postern", "src/base", "src/wire", "src/proto", "turnserver/auth"],
    "turnserver/users": ["src", "turnserver/auth"],
    "turnserver/cluster": ["src/postern", "src/base", "src/wire", "turnserver/turn"],
    "turnserver/datapath": ["src/postern", "src/base", "src/wire", "src/net"],
    "turnserver/ops": ["src/postern", "src/base", "src/wire", "src/net", "turnserver/turn", "turnserver/rendezvous",
                       "turnserver/datapath"],
    "turnserver/priv": ["src/postern", "src/base", "src/net"],
}
# The programs' own files know every room of theirs.
PROGRAMS = ["stunclient", "turnserver"]

MACHINES = ["src/proto", "turnserver/auth", "turnserver/turn", "turnserver/rendezvous"]
# What machines may stand on; it must be as clean. The log is for shells: it has a clock and a file.
BELOW_MACHINES = ["src/base", "src/wire"]
NOT_FOR_MACHINES = ["src/base/log.c"]
WITH_CRYPTO = ["src/wire", "src/proto", "turnserver/auth"]

# Headers of the system that machines may include.
PURE_HEADERS = """assert ctype errno float inttypes limits math stdalign stdarg stdatomic stdbool
    stddef stdint stdio stdlib string strings""".split()
# Functions of the C library that only compute, or manage memory.
PURE_FUNCTIONS = set("""
    abort abs assert_fail calloc ctype_b_loc ctype_tolower_loc ctype_toupper_loc errno_location explicit_bzero free
    isfinite isnan log log2 malloc memchr memcmp memcpy memmem memmove mempcpy memset pow qsort
    realloc reallocarray snprintf sqrt stack_chk_fail strcasecmp strchr strcmp strcpy strcspn strdup
    strerrordesc_np strlen strncasecmp strncmp strncpy strndup strnlen strpbrk strrchr strspn strstr
    strtod strtol strtoll strtoul strtoull vsnprintf
    inet_ntop inet_pton""".split())
# What one file may do beyond that: write to a FILE that it is given, or ask jansson or libunistring.
MORE_FUNCTIONS = {
    "src/base/json_writer.c": {"fflush", "fwrite", "putc", "_IO_putc"},
    "src/base/normal_form.c": {"u8_normalize", "uninorm_nfc"},
    "src/wire/signal_parse.c": set("""
        json_loadb json_delete json_object_get json_object_size json_array_get json_array_size
        json_string_value json_string_length json_integer_value json_number_value json_real_value""".split()),
}
CRYPTO = re.compile(r"(EVP|OSSL|CRYPTO|OPENSSL|HMAC|ERR)_")
# What compilers add: sanitizers, coverage, the offset table.
INSTRUMENTATION = re.compile(
    r"(__(asan|ubsan|lsan|sanitizer|sancov|gcov|llvm)_|___asan|_GLOBAL_OFFSET_TABLE_|llvm_gc)")


def room_of(path):
    fitting = [room for room in ROOMS if path == room or path.startswith(room + "/")]
    return max(fitting, key=len, default=None)


def sources(tree, *patterns):
    found = [path for top in ("src", *PROGRAMS) for pattern in patterns for path in (tree / top).rglob(pattern)]
    return sorted(path.relative_to(tree).as_posix() for path in found if ".libs" not in path.parts)


# ---- includes -----------------------------------------------------------------------------------


def target_of(tree, name, quoted):
    """The file of ours that an include means, or None: a header of the system."""
    for folder in ("src", "."):
        path = os.path.normpath(os.path.join(folder, name))
        if (tree / path).is_file():
            return path
    if quoted and name != "config.h":
        raise AssertionError(f'"{name}" is neither in src/ nor below the top')
    return None


def may_include(room, target):
    if room in PROGRAMS and (target + "/").startswith(room + "/"):
        return True
    target_room = room_of(target)
    return target_room == room or any(
        target == allowed or (target_room + "/").startswith(allowed + "/") for allowed in ROOMS[room])


def wrong_includes(tree):
    wrong = []
    for path in sources(tree, "*.c", "*.h"):
        room, folder = room_of(path), os.path.dirname(path)
        if folder not in ROOMS and room in (None, *PROGRAMS):
            wrong.append(f"{path} includes ?: ROOMS does not say what {folder}/ may know")
            continue
        text = (tree / path).read_text()
        for bracket, name in re.findall(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', text, re.M):
            target = target_of(tree, name, bracket == '"')
            if target is not None and not may_include(room, target):
                wrong.append(f"{path} includes {name}: {room} must not know {room_of(target)}")
            if target is None and room in MACHINES and not is_pure_header(room, name):
                wrong.append(f"{path} includes <{name}>: a machine has no use for it")
    return wrong


def is_pure_header(room, name):
    return (name.removesuffix(".h") in PURE_HEADERS or name == "config.h"
            or (name.startswith("openssl/") and room in WITH_CRYPTO))


# ---- symbols ------------------------------------------------------------------------------------


@functools.cache
def nm(flag, obj):
    # The same objects are asked for each planted fault: once is enough.
    done = subprocess.run([os.environ.get("NM") or "nm", flag, str(obj)], capture_output=True, text=True, check=True)
    return {line.split()[-1].split("@")[0] for line in done.stdout.splitlines() if line.strip()}


def object_of(build, path):
    """The built object of a source file: libtool prefixes it with the library's name or not."""
    source = pathlib.PurePosixPath(path)
    for folder in (build / source.parent / ".libs", build / source.parent):
        found = [obj for obj in folder.glob("*.o")
                 if obj.stem == source.stem or re.fullmatch(rf"\w+_la-{re.escape(source.stem)}", obj.stem)]
        if found:  # an older one is left over from another name of the library
            return max(found, key=lambda obj: obj.stat().st_mtime)
    return None


def is_pure_function(path, symbol):
    bare = symbol.removeprefix("__isoc99_").removeprefix("__isoc23_").lstrip("_").removesuffix("_chk")
    return (bare in PURE_FUNCTIONS or symbol in MORE_FUNCTIONS.get(path, ())
            or INSTRUMENTATION.match(symbol) is not None
            or (CRYPTO.match(symbol) is not None and room_of(path) in WITH_CRYPTO))


def wrong_imports(objects):
    """`objects`: the object of each source file that must be clean."""
    defined = set().union(*(nm("--defined-only", obj) for obj in objects.values()))
    return [f"{path} imports {symbol}" for path, obj in sorted(objects.items())
            for symbol in sorted(nm("--undefined-only", obj) - defined) if not is_pure_function(path, symbol)]


def clean_objects():
    objects = {}
    for path in sources(postern.source, "*.c"):
        if room_of(path) in MACHINES + BELOW_MACHINES and path not in NOT_FOR_MACHINES:
            objects[path] = object_of(postern.build, path)
    # Of X.c and X_absent.c one is built.
    missing = [path for path, obj in objects.items() if obj is None and not any(
        objects.get(other) is not None for other in (path.replace(".c", "_absent.c"), path.replace("_absent.c", ".c")))]
    tap.true(not missing, f"not built: {', '.join(missing)}")
    return {path: obj for path, obj in objects.items() if obj is not None}


# ---- tests --------------------------------------------------------------------------------------


@tap.test
def rooms():
    """Every file is in a room of the plan, and includes only what its room may know"""
    tap.true(len(sources(postern.source, "*.c")) > 50, "the source tree is there")
    wrong = wrong_includes(postern.source)
    tap.true(not wrong, "\n".join(wrong))


@tap.test
def machines():
    """Machines, and what they stand on, import nothing that reaches outside"""
    objects = clean_objects()
    for machine in ("src/proto", "turnserver/auth", "turnserver/turn"):
        tap.true(any(room_of(path) == machine for path in objects), f"{machine} has objects")
    wrong = wrong_imports(objects)
    tap.true(not wrong, "\n".join(wrong))


def plant(files):
    tree = pathlib.Path(tempfile.mkdtemp())
    tap.cleanup(shutil.rmtree, tree)
    for path, text in files.items():
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        (tree / path).write_text(text)
    return tree


@tap.test
def planted_includes():
    """A wrong include is found, wherever it is planted"""
    good = {
        "src/postern/address.h": "", "src/postern/stun.h": "", "src/base/a.h": "#include <postern/address.h>\n",
        "src/wire/a.h": '#include "base/a.h"\n#include <postern/stun.h>\n#include <openssl/evp.h>\n',
        "src/proto/a.h": '#include "wire/a.h"\n#include <string.h>\n', "src/net/a.h": "#include <time.h>\n",
        "stunclient/a.h": '#include "net/a.h"\n', "turnserver/auth/a.h": '#include "config.h"\n',
        "turnserver/turn/a.h": '#include "turnserver/auth/a.h"\n', "turnserver/a.h": '#include "turnserver/turn/a.h"\n',
        "turnserver/datapath/a.h": '#include "net/a.h"\n',
    }
    tap.equal(wrong_includes(plant(good)), [], "a good tree")
    bad = [
        ("src/base/b.c", '"wire/a.h"'), ("src/base/b.c", "<postern/stun.h>"), ("src/wire/b.c", '"proto/a.h"'),
        ("src/proto/b.c", '"net/a.h"'), ("src/net/b.c", '"turnserver/a.h"'), ("src/base/b.h", '"stunclient/a.h"'),
        ("stunclient/b.c", '"turnserver/a.h"'), ("turnserver/b.c", '"stunclient/a.h"'),
        ("turnserver/turn/b.c", '"net/a.h"'), ("turnserver/turn/b.c", '"turnserver/a.h"'),
        ("turnserver/auth/b.c", '"turnserver/turn/a.h"'), ("turnserver/datapath/b.c", '"turnserver/turn/a.h"'),
        ("turnserver/turn/b.c", "<openssl/evp.h>"), ("src/proto/b.c", "<sys/socket.h>"),
        ("turnserver/auth/b.c", "<time.h>"), ("src/proto/b.c", "<pthread.h>"), ("turnserver/turn/b.h", "<event2/event.h>"),
    ]
    for path, name in bad:
        wrong = wrong_includes(plant({**good, path: f"  #  include {name}\n"}))
        tap.equal([line.split(" includes ")[0] for line in wrong], [path], f"{path} with {name}")
    tap.true(wrong_includes(plant({**good, "turnserver/attic/b.c": ""})), "a folder that the plan does not know")
    tap.raises(AssertionError, wrong_includes, plant({**good, "src/base/b.c": '#include "nowhere.h"\n'}))


FORBIDDEN = {
    "socket": "int socket(int, int, int); int f(void) { return socket(2, 1, 0); }",
    "clock_gettime": "int clock_gettime(int, void *); int f(void *p) { return clock_gettime(1, p); }",
    "time": "long time(long *); long f(void) { return time(0); }",
    "nanosleep": "int nanosleep(void *, void *); int f(void *p) { return nanosleep(p, p); }",
    "pthread_mutex_lock": "int pthread_mutex_lock(void *); int f(void *p) { return pthread_mutex_lock(p); }",
    "event_add": "int event_add(void *, void *); int f(void *p) { return event_add(p, p); }",
    "write": "long write(int, const void *, unsigned long); long f(void *p) { return write(1, p, 1); }",
    "fopen": "void *fopen(const char *, const char *); void *f(void) { return fopen(\"x\", \"r\"); }",
    "getrandom": "long getrandom(void *, unsigned long, int); long f(void *p) { return getrandom(p, 1, 0); }",
    "printf": "int printf(const char *, ...); int f(int i) { return printf(\"%d\", i); }",
    "log_write": "void log_write(void *, int, void *); void f(void *p) { log_write(p, 1, p); }",
}


def compile_file(tree, path):
    obj = tree / (path + ".o")
    compiler = (os.environ.get("CC") or "cc").split()
    subprocess.run([*compiler, "-c", "-O1", "-fno-builtin", "-o", str(obj), str(tree / path)], check=True,
                   capture_output=True)
    return obj


@tap.test
def planted_imports():
    """A wrong import is found, whatever it reaches for, and by way of a helper too"""
    objects = clean_objects()
    for symbol, text in FORBIDDEN.items():
        tree = plant({"src/proto/planted.c": text})
        planted = {**objects, "src/proto/planted.c": compile_file(tree, "src/proto/planted.c")}
        tap.equal(wrong_imports(planted), [f"src/proto/planted.c imports {symbol}"], symbol)
    tree = plant({
        "src/proto/planted.c": "int planted_wait(void); int f(void) { return planted_wait(); }",
        "src/base/helper.c": "int sleep(int); int planted_wait(void) { return sleep(1); }",
    })
    planted = {path: compile_file(tree, path) for path in ("src/proto/planted.c", "src/base/helper.c")}
    tap.equal(wrong_imports({**objects, **planted}), ["src/base/helper.c imports sleep"], "by way of a helper")
    tree = plant({"turnserver/turn/planted.c": "void *EVP_MD_CTX_new(void); void *f(void) { return EVP_MD_CTX_new(); }"})
    planted = {"turnserver/turn/planted.c": compile_file(tree, "turnserver/turn/planted.c")}
    tap.equal(wrong_imports({**objects, **planted}), ["turnserver/turn/planted.c imports EVP_MD_CTX_new"], "crypto")


tap.main()
