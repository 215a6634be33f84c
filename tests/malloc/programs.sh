#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Real programs with libvmheap-malloc preloaded print what they print without it, and say at exit
# that their objects were ours.  A program that is not installed is a skip with its reason.
#
#   programs.sh LIBRARY [quick|all]
#
# With VMHEAP_MALLOC_CHECK=1 in the environment they run under its checks.
set -u
library=$(realpath "$1") size=${2:-quick}
root=${VMHEAP_SOURCE_ROOT:-$(cd "$(dirname "$0")/../.." && pwd)}
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
n_passed=0 n_failed=0 n_skipped=0
# Of the large runs, what quick does.
scale() { if [ "$size" = all ]; then echo "$2"; else echo "$1"; fi; }

skip() {
	echo "SKIP: $1 is not installed: apt-get install $2"
	n_skipped=$((n_skipped + 1))
}

# preloaded STATS-FILE COMMAND...: run it on our heap
preloaded() {
	local stats=$1
	shift
	VMHEAP_MALLOC_STATS=$stats LD_PRELOAD=$library "$@"
}

# judge NAME: plain.out, ours.out and stats are there
judge() {
	local n_allocations
	n_allocations=$(awk '{ for (i = 2; i <= NF; i++) if ($i ~ /^allocations/) n += $(i - 1) }
		END { print n + 0 }' stats 2>/dev/null)
	if grep -aq '^status [^0]' plain.out; then
		echo "not ok: $1: fails by itself"
		head -5 plain.out
		n_failed=$((n_failed + 1))
	elif ! cmp -s plain.out ours.out; then
		echo "not ok: $1: other output"
		diff plain.out ours.out | head -5
		n_failed=$((n_failed + 1))
	elif [ "${n_allocations:-0}" -eq 0 ]; then
		echo "not ok: $1: no allocation was ours"
		n_failed=$((n_failed + 1))
	elif grep -qv ' 0 misuses' stats; then
		echo "not ok: $1: misuse"
		grep -v ' 0 misuses' stats | head -3
		n_failed=$((n_failed + 1))
	else
		echo "ok: $1: $n_allocations allocations"
		n_passed=$((n_passed + 1))
	fi
	rm -f plain.out ours.out stats
}

# compare NAME COMMAND...
compare() {
	local name=$1
	shift
	"$@" >plain.out 2>&1 </dev/null
	echo "status $?" >>plain.out
	preloaded "$work/stats" "$@" >ours.out 2>&1 </dev/null
	echo "status $?" >>ours.out
	judge "$name"
}

has() { command -v "$1" >/dev/null 2>&1; }

if has perl; then
	compare "perl: a hash that churns" perl -e '
		my %h; my $s = 1; my $t = 0;
		for my $i (1 .. $ARGV[0]) {
			$s = ($s * 1103515245 + 12345) % 2147483648;
			$h{"k" . $s % 50000} = "v" x ($s % 300);
			delete $h{"k" . ($s >> 8) % 50000} if $i % 3 == 0;
		}
		$t += length $_ for values %h;
		print scalar(keys %h), " $t\n";' "$(scale 300000 3000000)"
else
	skip perl perl
fi

# A repository of our own making, so that there is one.
if has git; then
	(
		export GIT_AUTHOR_DATE="@0 +0000" GIT_COMMITTER_DATE="@0 +0000" HOME=$work
		git init -q repo && cd repo && git config user.email a@b && git config user.name a
		for i in $(seq "$(scale 30 300)"); do
			seq "$i" $((i * 20)) >"f$((i % 7))"
			git add . && git commit -qm "change $i"
		done
	) >/dev/null 2>&1
	compare "git log --stat" git -C repo --no-pager log --stat
	compare "git log -p" git -C repo --no-pager log -p
	compare "git fsck" git -C repo fsck --full --strict --no-progress
else
	skip git git
fi

if has python3; then
	python=$(python3 -c 'import sys; print(sys.executable)')
	cat >work.py <<-'END'
		import json, sys, zlib, threading
		n = int(sys.argv[1])
		x = [dict(a=i, b=str(i), c=[i] * (i % 9)) for i in range(n)]
		t = json.dumps(x)
		print(len(t), zlib.crc32(t.encode()), json.loads(t) == x)
		def churn(k):
		    for i in range(n // 4):
		        d[k] = [bytes(i % 2000)] * 3
		d = {}
		threads = [threading.Thread(target=churn, args=(k,)) for k in range(8)]
		[t.start() for t in threads]; [t.join() for t in threads]
		print(sum(len(v[0]) for v in d.values()))
	END
	PYTHONMALLOC=malloc compare "python3 on malloc" "$python" work.py "$(scale 20000 300000)"
	if [ "$size" = all ] && "$python" -c 'import test.test_json' 2>/dev/null; then
		for t in test_dict test_list test_json test_re test_threading test_zlib; do
			# Times in its output differ: its verdict counts.
			PYTHONMALLOC=malloc compare "python3 -m test $t" bash -c \
				"'$python' -m test -q $t 2>&1 | grep -E '^(Result|Tests result)'"
		done
	elif [ "$size" = all ]; then
		skip "python3's test suite" libpython3-testsuite
	fi
else
	skip python3 python3
fi

# With little address space (ulimit -v), where threads, large objects and small ones want it.
if has python3; then
	cat >limited.py <<-'END'
		import sys, threading, time
		x = bytearray(900 << 20)
		print(len(x))
		del x
		x = [bytes(200) for i in range(1500000)]
		print(len(x))
		del x
		threads = [threading.Thread(target=time.sleep, args=(0.3,)) for i in range(4)]
		[t.start() for t in threads]; [t.join() for t in threads]
		try:
		    bytearray(3 << 29)
		except MemoryError:
		    print("no more than that")
	END
	PYTHONMALLOC=malloc compare "python3 under ulimit -v" bash -c \
		"ulimit -v 1500000; exec '$python' limited.py"
fi

if has sqlite3; then
	n=$(scale 20000 400000)
	cat >work.sql <<-END
		create table t (a integer primary key, b text, c blob);
		with recursive n(i) as (select 1 union all select i + 1 from n where i < $n)
			insert into t select i, printf('%08x', i * 2654435761 % 4294967296), zeroblob(i % 500) from n;
		create index tb on t (b);
		select count(*), sum(length(c)), min(b), max(b) from t;
		select substr(b, 1, 2) k, count(*), sum(a) from t group by k order by k limit 20;
		delete from t where a % 3 = 0;
		vacuum;
		select count(*) from t where b > '8';
	END
	compare "sqlite3" sqlite3 -bail :memory: ".read work.sql"
else
	skip sqlite3 sqlite3
fi

# compile NAME COMPILER: the same object file
compile() {
	local name=$1 compiler=$2
	{
		echo '#include <algorithm>'
		echo '#include <map>'
		echo '#include <string>'
		echo '#include <vector>'
		for i in $(seq "$(scale 2 60)"); do
			echo "struct s$i { std::map<std::string, std::vector<int>> m; int k[$i]; };"
			echo "int f$i(s$i &s) { std::vector<int> &v = s.m[\"$i\"]; v.push_back($i);"
			echo "	std::sort(v.begin(), v.end()); return v[0]; }"
		done
	} >work.cc
	"$compiler" -O1 -c work.cc -o plain.out 2>&1
	preloaded "$work/stats" "$compiler" -O1 -c work.cc -o ours.out
	judge "$name"
}
if has g++; then compile "g++" g++; else skip g++ g++; fi
if [ "$size" = all ]; then
	if has clang++; then compile "clang++" clang++; else skip clang++ clang; fi
fi

# A program with more rights than its caller writes no statistics where the caller says.
if has gcc && [ "$(id -u)" = 0 ] && id nobody >/dev/null 2>&1; then
	echo 'int main(void) { return !malloc(10); }' |
		gcc -w -include stdlib.h -O0 -x c - -o secure -Wl,--no-as-needed -x none \
			"$library" -Wl,-rpath,"$(dirname "$library")"
	chmod 755 . && mkdir -m 777 open && chown nobody secure && chmod 4755 secure
	VMHEAP_MALLOC_STATS=$work/open/stats ./secure >plain.out 2>&1
	secure_status=$?
	if [ $secure_status -ne 0 ]; then
		echo "SKIP: more rights: user nobody cannot run a program with $library here"
		n_skipped=$((n_skipped + 1))
	elif [ -e open/stats ] && [ "$(stat -c %U open/stats)" = nobody ]; then
		echo "not ok: more rights: wrote a file"
		n_failed=$((n_failed + 1))
	else
		echo "ok: more rights: wrote nothing"
		n_passed=$((n_passed + 1))
	fi
	rm -f plain.out
else
	echo "SKIP: more rights: only root can make such a program, with gcc, for user nobody"
	n_skipped=$((n_skipped + 1))
fi

# redis: the same keys and values after the same commands; then the benchmark, which has to end.
if has redis-server && has redis-cli; then
	serve() {
		"$@" redis-server --port 0 --unixsocket "$work/redis.sock" --save '' --daemonize no >/dev/null 2>&1 &
		server=$!
		for _ in $(seq 100); do
			redis-cli -s "$work/redis.sock" ping >/dev/null 2>&1 && break
			sleep 0.05
		done
		seq "$(scale 5000 100000)" | awk '{
			print "set k" $1, $1 * 7; print "lpush l" $1 % 50, $1
			print "hset h" $1 % 20, "f" $1, $1; if ($1 % 3 == 0) print "del k" $1 - 1 }' |
			redis-cli -s "$work/redis.sock" >/dev/null 2>&1
		for k in k1 k2 k99 k4999 "l7" h3; do
			redis-cli -s "$work/redis.sock" type $k
		done
		redis-cli -s "$work/redis.sock" dbsize
		redis-cli -s "$work/redis.sock" lrange l7 0 -1
		redis-cli -s "$work/redis.sock" hlen h3
		if has redis-benchmark; then
			redis-benchmark -s "$work/redis.sock" -q -n "$(scale 2000 100000)" \
				-t set,get,lpush,hset -d 300 >/dev/null 2>&1
			echo "benchmark $?"
		fi
		redis-cli -s "$work/redis.sock" shutdown nosave >/dev/null 2>&1
		wait "$server"
		echo "status $?"
	}
	serve env >plain.out 2>&1
	serve env "VMHEAP_MALLOC_STATS=$work/stats" "LD_PRELOAD=$library" >ours.out 2>&1
	judge "redis-server"
else
	skip redis-server redis
fi

if has stress-ng; then
	preloaded "$work/stats" stress-ng --malloc 2 --malloc-ops "$(scale 20000 2000000)" \
		--malloc-bytes 64M --verify -q >ours.out 2>&1
	echo "status $?" >>ours.out
	echo "status 0" >plain.out
	# Its workers end by _exit(): the parent's allocations are what is counted.
	judge "stress-ng --malloc --verify"
else
	skip stress-ng stress-ng
fi

echo "$n_passed passed, $n_failed failed, $n_skipped skipped"
[ "$n_failed" -eq 0 ] && [ "$n_passed" -gt 0 ]
