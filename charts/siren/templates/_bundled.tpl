{{/* The RabbitMQ and the Redis to try Siren with. */}}

{{/* What each RabbitMQ user may do, as JSON: {user: {configure, write, read}}. README.md says why.
     Write on amq.default is the default exchange: dead-lettering needs it when the lanes are declared, retries and dead letters are published to it. */}}
{{- define "siren.rabbitmq.permissions" -}}
{{- $everything := dict "configure" ".*" "write" ".*" "read" ".*" -}}
{{- $lanes := dict
        "configure" "^siren\\.(jobs|default|dead|(lane|delay)\\..+)$"
        "write" "^(amq\\.default|siren\\.(jobs|default|lane\\..+))$"
        "read" "^siren\\.(jobs|default|dead|(lane|delay)\\..+)$" -}}
{{- dict
      "siren" $everything
      "scaler" $lanes
      "gateway" $lanes
      "worker" (dict
        "configure" "^$"
        "write" "^amq\\.default$"
        "read" "^siren\\.lane\\..+$")
      "producer" (dict
        "configure" "^$"
        "write" "^siren\\.jobs$"
        "read" "^$")
    | toJson -}}
{{- end -}}

{{/* rabbitmq.conf of the bundled node. */}}
{{- define "siren.rabbitmq.conf" -}}
{{- $policy := include "siren.policy" . | fromJson -}}
{{- $defaults := include "siren.policyDefaults" . | fromJson -}}
{{- $r := .Values.rabbitmq -}}
listeners.tcp.default = 5672
log.console = true
load_definitions = /etc/siren/rabbitmq-users/definitions.json
# The node may see the machine's memory instead of its container's.
{{- if $r.memoryHighWatermark }}
vm_memory_high_watermark.absolute = {{ include "siren.bytes" (dict "path" "rabbitmq.memoryHighWatermark" "value" $r.memoryHighWatermark) }}
{{- else }}
vm_memory_high_watermark.absolute = {{ include "siren.shareOfLimit" (dict "path" "rabbitmq" "resources" $r.resources "percent" 60 "instead" "memoryHighWatermark") }}
{{- end }}
disk_free_limit.absolute = 100MB
# As the policy says in broker.consumerTimeout.
consumer_timeout = {{ include "siren.milliseconds" (dict "path" "policy.broker.consumerTimeout" "value" (($policy.broker | default dict).consumerTimeout | default $defaults.broker.consumerTimeout)) }}
{{- with $r.extraConfig }}
{{ . | trim }}
{{- end }}
{{- end -}}

{{/* The two lists of the Erlang terms that a node's plugins file is. */}}
{{- define "siren.rabbitmq.plugins" -}}
[{{ join "," .Values.rabbitmq.plugins }}].
{{- end -}}

{{/* The ports of its plugins, as JSON: {plugin: {name, port}}. */}}
{{- define "siren.rabbitmq.ports" -}}
{{- $known := dict "rabbitmq_management" (dict "name" "management" "port" 15672) "rabbitmq_prometheus" (dict "name" "prometheus" "port" 15692) -}}
{{- $ports := dict -}}
{{- range .Values.rabbitmq.plugins -}}
{{- with get $known . -}}{{- $_ := set $ports .name . -}}{{- end -}}
{{- end -}}
{{- toJson $ports -}}
{{- end -}}

{{/* redis.conf but for the users and their passwords. */}}
{{- define "siren.redis.conf" -}}
{{- $r := .Values.redis -}}
bind * -::*
port 6379
dir /data
appendonly yes
appendfsync everysec
save ""
maxmemory-policy noeviction
{{- if $r.maxmemory }}
maxmemory {{ include "siren.bytes" (dict "path" "redis.maxmemory" "value" $r.maxmemory) }}
{{- else }}
maxmemory {{ include "siren.shareOfLimit" (dict "path" "redis" "resources" $r.resources "percent" 60 "instead" "maxmemory") }}
{{- end }}
{{- with $r.extraConfig }}
{{ . | trim }}
{{- end }}
{{- end -}}

{{/* Text as a part of a URL. */}}
{{- define "siren.urlPart" -}}
{{- urlquery . | replace "+" "%20" -}}
{{- end -}}

{{/* A password as it was set, or "": (dict "path" "redis.password" "password" .Values.redis.password). The message doesn't cite it; a schema's would. */}}
{{- define "siren.password" -}}
{{- if not (regexMatch "^[!-~]*$" .password) -}}
{{- fail (printf "%s: use printable ASCII characters only, without spaces" .path) -}}
{{- end -}}
{{- .password -}}
{{- end -}}
