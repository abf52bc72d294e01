# Runs on the host, in the program called sh there. The controller removes lines like this one and
# joins the others with spaces, then puts the whole into single quotes for a login shell that may be
# csh or fish. Hence: statements end in `;`, and there is no single quote, backslash or exclamation
# mark.
#
# $0 is a random token. Answers are lines "WXEC1:TOKEN:…"; everything else on stdout is noise of
# login scripts. $1 is the agent's title. $2 lists the images that may be kept here, as
# "ARCH=DIGEST,…", or is "-". $3 and $4 are the Python and Perl programs that start the agent when
# no file can be executed.
t=$0;
title=$1;
# The way in may have set LC_ALL so that its program speaks English.
unset LC_ALL;
# A shell that cannot start a program reports that on its stderr, which must not be redirected then.
# So a program that is to be silent is redirected in a subshell, which becomes the program.
o=$(umask);
umask 077;
u=$(uname -sm);
m=${u#* };
say() { echo "WXEC1:$t:$1"; };
echo;
# Shells keep redirected descriptors at 10 and above, and the agent needs some, too. A failure of
# ulimit ends some shells, so a subshell tries first.
case $(ulimit -n) in ?|[1-5]?) (ulimit -S -n 64) && ulimit -S -n 64 || { say limit:files; exit 1; };; esac;
[ -c /dev/null ] || { say "error:there is no /dev/null"; exit 1; };

# Open an image that is kept under its digest first, then hash the open file: what is hashed is what
# runs.
v="";
k="";
command -v sha256sum >/dev/null 2>&1 && v=sum;
[ -z "$v" ] || case ",$2" in *",$m="*) k=${2#*"$m="}; k=${k%%,*};; esac;
D=${XDG_CACHE_HOME:-${HOME:+$HOME/.cache}};
if [ -n "$k" ] && [ -n "$D" ]; then
D=$D/wxec/agents;
if [ -r "$D/$k" ]; then
exec 3<"$D/$k";
s=$(sha256sum <&3);
if [ "${s%% *}" = "$k" ]; then
say "host|$u|kept||$D|";
say start;
umask "$o";
exec /proc/self/fd/3 "$title";
fi;
exec 3<&-;
rm -f "$D/$k";
fi;
(exec mkdir -p "$D" 2>/dev/null);
else D="";
fi;

# Find a place where a file can be written, executed, and grow large enough. An empty file runs as an
# empty script unless its filesystem is mounted noexec. Memory comes before disks.
#
# The file loses its name as soon as the place has proved good, if /proc names open files: then nothing
# can stay behind. A file that is to be kept, or is on a system without /proc, is removed by a trap. A
# shell that is killed in between leaves the file to the next bootstrap. That one knows from the name
# whether the shell is gone: the name ends with the boot of the machine, the namespace of processes,
# and the number of the process.
tried="";
f="";
p=/proc/self/fd/3;
b="";
n=$(readlink /proc/self/ns/pid 2>/dev/null);
[ -z "$n" ] || read -r b </proc/sys/kernel/random/boot_id;
clean() { case $f in "") ;; "$p") exec 3<&-;; *) rm -f "$f";; esac; };
trap clean 0;
# Most shells forget that when a signal ends them, among them the one for a controller that is gone.
trap "exit 1" 1 2 3 13 15;
for d in "$D" "$XDG_RUNTIME_DIR" /dev/shm /run/user /tmp /var/tmp "$HOME"; do
[ -n "$d" ] || continue;
[ "$d" = /run/user ] && d=/run/user/$(id -u);
case "$tried;" in *" $d ("*) continue;; esac;
why="";
if [ -d "$d" ]; then
g=$d/.wxec-$b-$n;
[ -z "$b" ] || for x in "$g-"*; do
[ -e "$x" ] || continue;
[ -e "/proc/${x##*-}" ] || rm -f "$x";
done;
f=$g-$t-$$;
if (: >"$f") 2>/dev/null; then
chmod 700 "$f";
("$f" </dev/null >/dev/null 2>&1) || why="cannot execute";
case $why$d in "$D") ;; /*) [ -e /proc/self/fd ] && exec 3<"$f" && rm -f "$f" && f=$p;; esac;
if [ -z "$why" ] && [ -e /dev/zero ]; then
(exec dd if=/dev/zero bs=65536 count=52 2>/dev/null >"$f") || why="no room";
fi;
else why="cannot write";
fi;
else why="not there";
fi;
[ -n "$why" ] || break;
clean;
f="";
tried="$tried $d ($why);";
done;

# If no place will do, use memory without a name (memfd), which an interpreter has to create.
c=raw;
i="";
if [ -n "$f" ]; then
command -v gzip >/dev/null 2>&1 && c=gzip;
else
d=memory;
case $m in x86_64) y=319;; *) y=279;; esac;
if (exec python3 -c "import os; os.close(os.memfd_create(str()))" >/dev/null 2>&1); then i=python3;
elif (exec perl -e "exit(syscall($y, @ARGV[0], 0) < 0)" x >/dev/null 2>&1); then i=perl;
else say "error:no place for the agent:$tried and no python3 or perl to start it from memory"; exit 1;
fi;
fi;
say "host|$u|$c|$v|$d|$tried";

# The controller answers with the number of bytes it will send, their packing, and the digest if it
# wants that checked. dd reads exactly so many bytes, in blocks, so that unpacking need not wait for
# the last one; the bytes after them are for the agent.
while :; do
read -r n c h || exit 1;
case $i in
python3) exec python3 -c "$3" "$n" "WXEC1:$t:start" "$title";;
perl) exec perl -e "$4" "$n" "WXEC1:$t:start" "$title" "$y";;
esac;
r=$((n % 65536));
take() {
(exec dd bs=65536 count=$((n / 65536)) iflag=fullblock 2>/dev/null);
[ "$r" = 0 ] || (exec dd bs="$r" count=1 iflag=fullblock 2>/dev/null);
};
if [ "$c" = gzip ]; then take | gzip -dc >"$f"; else take >"$f" && [ "$(wc -c <"$f")" -eq "$n" ]; fi ||
{ say "error:the agent did not fit into $d, or arrived damaged"; exit 1; };
[ "$h" = - ] && break;
s=$(sha256sum <"$f");
[ "${s%% *}" = "$h" ] && break;
say again;
done;

# Once open the file needs no name: nothing is left behind, whatever happens next. For a file that
# keeps its name, the trap is still set in case the agent does not start.
[ "$f" = "$p" ] || exec 3<"$f";
if [ -e "$p" ]; then
if [ -n "$D" ] && [ "$d" = "$D" ] && [ "$h" = "$k" ]; then mv -f "$f" "$D/$k"; f="";
else [ "$f" = "$p" ] || rm -f "$f"; f="";
fi;
fi;
say start;
umask "$o";
exec "${f:-$p}" "$title" ${f:+"$f"}
