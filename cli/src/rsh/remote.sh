# Does what sshd does after a login: $1 is the action, $2 a command. Any POSIX shell runs it.
what=$1 command=$2
uid=$(id -u 2>/dev/null)
entry=$(getent passwd "$uid" 2>/dev/null) || entry=$(grep "^[^:]*:[^:]*:$uid:" /etc/passwd 2>/dev/null)
IFS=: && set -f
set -- x ${entry%%
*}
set +f && unset IFS
USER=${USER:-$2} LOGNAME=${LOGNAME:-$2} HOME=${HOME:-${7:-/}} SHELL=$8
# Accounts without logins have no usable shell; the user has reached this one by other means.
case $SHELL in */nologin | */false | '') SHELL=/bin/sh ;; esac
[ -x "$SHELL" ] || SHELL=/bin/sh
export USER LOGNAME HOME SHELL
cd "$HOME" 2>/dev/null || cd /
if [ "$what" = encoded ]; then
    # The dot keeps the shell from removing line ends at the end of the command.
    command=$(printf %b. "$command")
    command=${command%.} what=command
fi
case $what in
command) exec "$SHELL" -c "$command" ;;
shell) exec "$SHELL" -l ;;
esac
for place in /usr/lib/openssh /usr/libexec/openssh /usr/lib/ssh /usr/lib64/ssh /usr/libexec /usr/lib /usr/local/libexec; do
    [ ! -x $place/sftp-server ] || exec $place/sftp-server
done
! command -v sftp-server >/dev/null 2>&1 || exec sftp-server
echo "wxec rsh: there is no sftp-server on the host, neither where systems keep it nor in PATH; install it (on Debian:" \
    "openssh-sftp-server), or use what needs none: rsync, scp -O" >&2
exit 255
