# Runs on the host, in the program called sh there. The controller removes lines like this one and
# joins the others with spaces, then puts the whole into single quotes for a login shell that may be
# csh or fish. Hence: statements end in `;`, and there is no single quote, backslash or exclamation
# mark.
#
# $0 is a random token. Answers are lines "WXEC1:TOKEN:…"; everything else on stdout is noise of
# login scripts. $1 is the agent's title. $2 lists the starters and images that may be kept here, as
# "ARCH=DIGEST.DIGEST,…", or is "-". $3 and $4 are the Python and Perl programs that run the starter
# when no file can be executed.
t=$0;
l=$1;
w=$2;
y=$3;
z=$4;
# The way in may have set LC_ALL so that its program speaks English.
unset LC_ALL;
# A shell that cannot start a program reports that on its stderr, which must not be redirected then.
# So a program that is to be silent is redirected in a subshell, which becomes the program.
u=$(uname -sm);
m=${u#* };
say() { echo "WXEC1:$t:$1"; };
echo;
D="";
case ",$w" in *",$m="*)
if command -v sha256sum >/dev/null 2>&1; then D=${XDG_CACHE_HOME:-${HOME:+$HOME/.cache}}; fi;
esac;
# The controller sends the starter now, while a place is found for it. A shell that could not run
# uname finds out below why.
[ -n "$D" ] || [ -z "$u" ] || say "host|$u|new||";
# Shells keep redirected descriptors at 10 and above, and the agent needs some, too. A failure of
# ulimit ends some shells, so a subshell tries first.
case $(ulimit -n) in ?|[1-5]?) (ulimit -S -n 64) && ulimit -S -n 64 || { say limit:files; exit 1; };; esac;
[ -c /dev/null ] || { say "error:there is no /dev/null"; exit 1; };

# Open a starter that is kept under its digest first, then hash the open file: what is hashed is what
# runs. It looks for the image itself.
p=/proc/self/fd/3;
x="";
a="";
if [ -n "$D" ]; then
D=$D/wxec/agents;
k=${w#*"$m="};
k=${k%%,*};
c=${k#*.};
k=${k%.*};
if [ -r "$D/$k" ]; then
exec 3<"$D/$k";
s=$(sha256sum <&3);
if [ "${s%% *}" = "$k" ]; then
x=$p;
a=$c;
say "host|$u|kept|$D|";
else
exec 3<&-;
rm -f "$D/$k";
fi;
fi;
[ -n "$x" ] || say "host|$u|new||";
(umask 077; exec mkdir -p "$D" 2>/dev/null);
fi;

# Find a place where a file can be written and executed. An empty file runs as an empty script unless
# its filesystem is mounted noexec. Memory comes before disks.
#
# The file loses its name as soon as the place has proved good, if /proc names open files: then nothing
# can stay behind. A file that is to be kept, or is on a system without /proc, is removed by a trap. A
# shell that is killed in between leaves the file to the next bootstrap. That one knows from the name
# whether the shell is gone: the name ends with the boot of the machine, the namespace of processes,
# and the number of the process.
tried="";
f="";
d="";
b="";
v=place;
n=$(readlink /proc/self/ns/pid 2>/dev/null);
[ -z "$n" ] || read -r b </proc/sys/kernel/random/boot_id;
g=.wxec-$b-$n;
sweep() {
[ -z "$b" ] || for q in "$1/$g-"*; do
[ -e "$q" ] || continue;
[ -e "/proc/${q##*-}" ] || rm -f "$q";
done;
};
clean() { case $f in "") ;; "$p") exec 3<&-;; *) rm -f "$f";; esac; };
trap clean 0;
# Most shells forget that when a signal ends them, among them the one for a controller that is gone.
trap "exit 1" 1 2 3 13 15;
set -- "$D" "$XDG_RUNTIME_DIR" /dev/shm /run/user /tmp /var/tmp "$HOME";
# A starter that was killed leaves the image that it unpacked beside the kept ones.
[ -z "$x" ] || sweep "$D";
[ -n "$x" ] || for d do
[ -n "$d" ] || continue;
[ "$d" = /run/user ] && d=/run/user/$(id -u);
case "$tried;" in *" $d ("*) continue;; esac;
why="";
if [ -d "$d" ]; then
sweep "$d";
f=$d/$g-$t-$$;
if (umask 077; set -C; : >"$f") 2>/dev/null; then
chmod 700 "$f";
("$f" </dev/null >/dev/null 2>&1) || why="cannot execute";
case $why$d in "$D") ;; /*) [ -e /proc/self/fd ] && exec 3<"$f" && rm -f "$f" && f=$p;; esac;
else why="cannot write";
fi;
else why="not there";
fi;

# The controller's bytes begin with a line: the length of the starter, and of what comes behind it. dd reads
# exactly so many bytes: what follows is for the starter, or is sent again for the next place. The
# controller takes the usual place for granted.
if [ -z "$why" ]; then
[ "$v$d$tried" = place/dev/shm ] || say "$v|$d|$tried";
read -r n r || exit 1;
(exec dd bs="$n" count=1 iflag=fullblock 2>/dev/null >"$f") && x=$f && break;
(exec dd bs="$r" count=1 iflag=fullblock >/dev/null 2>&1);
v=next;
why="no room";
fi;
clean;
f="";
tried="$tried $d ($why);";
done;

# If no place will do, use memory without a name (memfd), which an interpreter has to create.
i="";
if [ -z "$x" ]; then
d="";
case $m in x86_64) q=319;; *) q=279;; esac;
if (exec python3 -c "import os; os.close(os.memfd_create(str()))" >/dev/null 2>&1); then i=python3;
elif (exec perl -e "exit(syscall($q, @ARGV[0], 0) < 0)" x >/dev/null 2>&1); then i=perl;
else say "error:no place for the agent:$tried and no python3 or perl to start it from memory"; exit 1;
fi;
say "$v|memory|$tried";
read -r n r || exit 1;
fi;

# Once open the file needs no name. Without /proc the starter removes it.
case $f in ""|"$p") f="";; *)
if [ "$d" = "$D" ] && [ -e /proc/self/fd ]; then
exec 3<"$f";
mv -f "$f" "$D/$k";
x=$p;
f="";
fi;
esac;
set -- "$t" "$l" "$D" "$a" "$f" "$g-$t-$$" "$d" "$@";
case $i in
python3) exec python3 -c "$y" "$n" "$@";;
perl) exec perl -e "$z" "$n" "$q" "$@";;
esac;
exec "$x" "$@"
