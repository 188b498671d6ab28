# Ends a server and removes its directory once the process that holds our standard input open
# is gone. Each line that comes in is the id of the server that runs now, or empty for none.
#
# $1: the directory   $2: the signal that ends the server
directory=$1
farewell=$2
server=
while read -r line; do server=$line; done

children() {
    grep -ls "^PPid:[[:space:]]*$server\$" /proc/[0-9]*/status | tr -cd '0-9\n'
}

if [ -n "$server" ] && [ -d "/proc/$server" ]; then
    kill -s "$farewell" "$server"
    kill -s CONT $(children) "$server"
    patience=300
    while [ -d "/proc/$server" ] && [ "$patience" -gt 0 ]; do
        sleep 0.1
        patience=$((patience - 1))
    done
    [ ! -d "/proc/$server" ] || kill -s KILL $(children) "$server"
fi
# Only a server that was killed leaves mounts behind.
while read -r _ place _; do
    case "$place" in
    "$directory"/*) umount --lazy "$place" ;;
    esac
done </proc/mounts
rm -rf -- "$directory"
