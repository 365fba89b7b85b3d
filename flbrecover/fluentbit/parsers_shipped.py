"""The parsers of the ``conf/parsers.conf`` that comes with Fluent Bit (5.1.1).

In a container that file lies in the image, not on the node: a parser that is used and defined nowhere else is taken
from here, with the origin ``built in``. Earlier versions ship the same definitions or fewer of them; only ``cri`` did
not keep its time field in 1.8.
"""

from __future__ import annotations

from collections.abc import Mapping

from flbrecover.fluentbit.pipeline import Parser

_ALL = (
    Parser(
        "apache",
        "regex",
        regex=(
            r'^(?<host>[^ ]*) [^ ]* (?<user>[^ ]*) \[(?<time>[^\]]*)\] "(?<method>\S+)(?: +(?<path>[^\"]*?)(?: '
            r'+\S*)?)?" (?<code>[^ ]*) (?<size>[^ ]*)(?: "(?<referer>[^\"]*)" "(?<agent>[^\"]*)")?$'
        ),
        time_key="time",
        time_format="%d/%b/%Y:%H:%M:%S %z",
    ),
    Parser(
        "apache2",
        "regex",
        regex=(
            r'^(?<host>[^ ]*) [^ ]* (?<user>[^ ]*) \[(?<time>[^\]]*)\] "(?<method>\S+)(?: +(?<path>[^ ]*) +\S*)'
            r'?" (?<code>[^ ]*) (?<size>[^ ]*)(?: "(?<referer>[^\"]*)" "(?<agent>.*)")?$'
        ),
        time_key="time",
        time_format="%d/%b/%Y:%H:%M:%S %z",
    ),
    Parser(
        "apache_error",
        "regex",
        regex=(
            r"^\[[^ ]* (?<time>[^\]]*)\] \[(?<level>[^\]]*)\](?: \[pid (?<pid>[^\]]*)\])?( \[client (?<client>["
            r"^\]]*)\])? (?<message>.*)$"
        ),
    ),
    Parser(
        "nginx",
        "regex",
        regex=(
            r'^(?<remote>[^ ]*) (?<host>[^ ]*) (?<user>[^ ]*) \[(?<time>[^\]]*)\] "(?<method>\S+)(?: +(?<path>['
            r'^\"]*?)(?: +\S*)?)?" (?<code>[^ ]*) (?<size>[^ ]*)(?: "(?<referer>[^\"]*)" "(?<agent>[^\"]*)")'
        ),
        time_key="time",
        time_format="%d/%b/%Y:%H:%M:%S %z",
    ),
    Parser(
        "k8s-nginx-ingress",
        "regex",
        regex=(
            r'^(?<host>[^ ]*) - (?<user>[^ ]*) \[(?<time>[^\]]*)\] "(?<method>\S+)(?: +(?<path>[^\"]*?)(?: +\S*'
            r')?)?" (?<code>[^ ]*) (?<size>[^ ]*) "(?<referer>[^\"]*)" "(?<agent>[^\"]*)" (?<request_length>[^ '
            r"]*) (?<request_time>[^ ]*) \[(?<proxy_upstream_name>[^ ]*)\] (\[(?<proxy_alternative_upstream_nam"
            r"e>[^ ]*)\] )?(?<upstream_addr>[^ ]*) (?<upstream_response_length>[^ ]*) (?<upstream_response_time"
            r">[^ ]*) (?<upstream_status>[^ ]*) (?<reg_id>[^ ]*).*$"
        ),
        time_key="time",
        time_format="%d/%b/%Y:%H:%M:%S %z",
    ),
    Parser(
        "json",
        "json",
        time_key="time",
        time_format="%d/%b/%Y:%H:%M:%S %z",
    ),
    Parser(
        "logfmt",
        "logfmt",
    ),
    Parser(
        "docker",
        "json",
        time_key="time",
        time_format="%Y-%m-%dT%H:%M:%S.%L",
        time_keep=True,
    ),
    Parser(
        "docker-daemon",
        "regex",
        regex=r'time="(?<time>[^ ]*)" level=(?<level>[^ ]*) msg="(?<msg>[^ ].*)"',
        time_key="time",
        time_format="%Y-%m-%dT%H:%M:%S.%L",
        time_keep=True,
    ),
    Parser(
        "syslog-rfc5424",
        "regex",
        regex=(
            r"^\<(?<pri>[0-9]{1,5})\>1 (?<time>[^ ]+) (?<host>[^ ]+) (?<ident>[^ ]+) (?<pid>[-0-9]+) (?<msgid>["
            r"^ ]+) (?<extradata>(\[(.*?)\]|-)) (?<message>.+)$"
        ),
        time_key="time",
        time_format="%Y-%m-%dT%H:%M:%S.%L%z",
        time_keep=True,
    ),
    Parser(
        "syslog-rfc3164-local",
        "regex",
        regex=(
            r"^\<(?<pri>[0-9]+)\>(?<time>[^ ]* {1,2}[^ ]* [^ ]*) (?<ident>[a-zA-Z0-9_\/\.\-]*)(?:\[(?<pid>[0-9]"
            r"+)\])?(?:[^\:]*\:)? *(?<message>.*)$"
        ),
        time_key="time",
        time_format="%b %d %H:%M:%S",
        time_keep=True,
    ),
    Parser(
        "syslog-rfc3164",
        "regex",
        regex=(
            r"/^\<(?<pri>[0-9]+)\>(?<time>[^ ]* {1,2}[^ ]* [^ ]*) (?<host>[^ ]*) (?<ident>[a-zA-Z0-9_\/\.\-]*)("
            r"?:\[(?<pid>[0-9]+)\])?(?:[^\:]*\:)? *(?<message>.*)$/"
        ),
        time_key="time",
        time_format="%b %d %H:%M:%S",
        time_keep=True,
    ),
    Parser(
        "mongodb",
        "regex",
        regex=(
            r"^(?<time>[^ ]*)\s+(?<severity>\w)\s+(?<component>[^ ]+)\s+\[(?<context>[^\]]+)]\s+(?<message>.*?)"
            r" *(?<ms>(\d+))?(:?ms)?$"
        ),
        time_key="time",
        time_format="%Y-%m-%dT%H:%M:%S.%L",
        time_keep=True,
    ),
    Parser(
        "envoy",
        "regex",
        regex=(
            r'^\[(?<start_time>[^\]]*)\] "(?<method>\S+)(?: +(?<path>[^\"]*?)(?: +\S*)?)? (?<protocol>\S+)" (?<'
            r"code>[^ ]*) (?<response_flags>[^ ]*) (?<bytes_received>[^ ]*) (?<bytes_sent>[^ ]*) (?<duration>[^"
            r' ]*) (?<x_envoy_upstream_service_time>[^ ]*) "(?<x_forwarded_for>[^ ]*)" "(?<user_agent>[^\"]*)" '
            r'"(?<request_id>[^\"]*)" "(?<authority>[^ ]*)" "(?<upstream_host>[^ ]*)"'
        ),
        time_key="start_time",
        time_format="%Y-%m-%dT%H:%M:%S.%L%z",
        time_keep=True,
    ),
    Parser(
        "istio-envoy-proxy",
        "regex",
        regex=(
            r'^\[(?<start_time>[^\]]*)\] "(?<method>\S+)(?: +(?<path>[^\"]*?)(?: +\S*)?)? (?<protocol>\S+)" (?<'
            r"response_code>[^ ]*) (?<response_flags>[^ ]*) (?<response_code_details>[^ ]*) (?<connection_termi"
            r'nation_details>[^ ]*) "(?<upstream_transport_failure_reason>[^ ]*)" (?<bytes_received>[^ ]*) (?<b'
            r'ytes_sent>[^ ]*) (?<duration>[^ ]*) (?<x_envoy_upstream_service_time>[^ ]*) "(?<x_forwarded_for>['
            r'^ ]*)" "(?<user_agent>[^\"]*)" "(?<x_request_id>[^\"]*)" "(?<authority>[^ ]*)" "(?<upstream_host>'
            r'[^ ]*)" (?<upstream_cluster>[^ ]*) (?<upstream_local_address>[^ ]*) (?<downstream_local_address>['
            r"^ ]*) (?<downstream_remote_address>[^ ]*) (?<requested_server_name>[^ ]*) (?<route_name>[^  ]*)$"
        ),
        time_key="start_time",
        time_format="%Y-%m-%dT%H:%M:%S.%L%z",
        time_keep=True,
    ),
    Parser(
        "cri",
        "regex",
        regex=r"^(?<time>[^ ]+) (?<stream>stdout|stderr) (?<logtag>[^ ]*) (?<message>.*)$",
        time_key="time",
        time_format="%Y-%m-%dT%H:%M:%S.%L%z",
        time_keep=True,
    ),
    Parser(
        "kube-custom",
        "regex",
        regex=(
            r"(?<tag>[^.]+)?\.?(?<pod_name>[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*)"
            r"_(?<namespace_name>[^_]+)_(?<container_name>.+)-(?<docker_id>[a-z0-9]{64})\.log$"
        ),
    ),
    Parser(
        "kmsg-netfilter-log",
        "regex",
        regex=(
            r"^\<(?<pri>[0-9]{1,5})\>1 (?<time>[^ ]+) (?<host>[^ ]+) kernel - - - \[[0-9\.]*\] (?<logprefix>[^ "
            r"]*)\s?IN=(?<in>[^ ]*) OUT=(?<out>[^ ]*) MAC=(?<macsrc>[0-9a-f]{2}:[0-9a-f]{2}:[0-9a-f]{2}:[0-9a-f"
            r"]{2}:[0-9a-f]{2}:[0-9a-f]{2}):(?<macdst>[0-9a-f]{2}:[0-9a-f]{2}:[0-9a-f]{2}:[0-9a-f]{2}:[0-9a-f]{"
            r"2}:[0-9a-f]{2}):(?<ethtype>[0-9a-f]{2}:[0-9a-f]{2}) SRC=(?<saddr>[^ ]*) DST=(?<daddr>[^ ]*) LEN=("
            r"?<len>[^ ]*) TOS=(?<tos>[^ ]*) PREC=(?<prec>[^ ]*) TTL=(?<ttl>[^ ]*) ID=(?<id>[^ ]*) (D*F*)\s*PRO"
            r"TO=(?<proto>[^ ]*)\s?((SPT=)?(?<sport>[0-9]*))\s?((DPT=)?(?<dport>[0-9]*))\s?((LEN=)?(?<protolen>"
            r"[0-9]*))\s?((WINDOW=)?(?<window>[0-9]*))\s?((RES=)?(?<res>0?x?[0-9]*))\s?(?<flag>[^ ]*)\s?((URGP="
            r")?(?<urgp>[0-9]*))"
        ),
        time_key="time",
        time_format="%Y-%m-%dT%H:%M:%S.%L%z",
    ),
)

SHIPPED: Mapping[str, Parser] = {p.name: p for p in _ALL}
