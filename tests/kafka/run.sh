#!/usr/bin/env bash
# Runs a real single-node Apache Kafka in the foreground, for the tests that need more than a mock.
#
# Usage: run.sh VERSION PORT DATA_DIR    start a broker on 127.0.0.1:PORT (its controller takes PORT+1)
#        run.sh --fetch VERSION          only download the jars
#
# Needs Java 17, Maven and flock; VERSION is a release such as 3.9.1 or 4.1.1.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

usage() {
    sed -n '4,5s/^# //p' "${BASH_SOURCE[0]}" >&2
    exit 2
}

# The jars arrive under another name and are renamed when complete, so that a broken download is never used.
# The lock lets several tests ask for the same version at once.
fetch() {
    local libs=$here/.libs/$1
    [ -d "$libs" ] && return
    mkdir -p "$here/.libs"
    (
        flock 9
        [ -d "$libs" ] && exit
        rm -rf "$libs.part"
        mvn -q -B -Dstyle.color=never -f "$here/pom.xml" dependency:copy-dependencies \
            -Dkafka.version="$1" -DincludeScope=runtime -DoutputDirectory="$libs.part" >&2
        mv "$libs.part" "$libs"
    ) 9>"$here/.libs/lock"
}

if [ $# -eq 2 ] && [ "$1" = --fetch ]; then
    fetch "$2"
    exit
fi
[ $# -eq 3 ] || usage
version=$1 port=$2
fetch "$version"

mkdir -p "$3"
data=$(cd "$3" && pwd)
config=$data/server.properties
{
    cat "$here/server.properties"
    echo "listeners=PLAINTEXT://127.0.0.1:$port,CONTROLLER://127.0.0.1:$((port + 1))"
    echo "advertised.listeners=PLAINTEXT://127.0.0.1:$port"
    echo "controller.quorum.voters=1@127.0.0.1:$((port + 1))"
    echo "log.dirs=$data/log"
} >"$config"

# A broker that lives for one test starts sooner with the quick compiler and the simplest collector.
java=(java -Xms256m -Xmx512m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Djava.awt.headless=true
    -cp "$here:$here/.libs/$version/*")

# A data folder is formatted once; the id is arbitrary, but must be 22 characters of URL-safe Base64.
if [ ! -e "$data/log/meta.properties" ]; then
    "${java[@]}" kafka.tools.StorageTool format -t tidegauge-test-cluster -c "$config" >&2
fi

# exec gives the broker the process id that the test harness knows, so that its signals arrive.
exec "${java[@]}" kafka.Kafka "$config"
