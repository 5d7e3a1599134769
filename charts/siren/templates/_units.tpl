{{/* Sizes and durations as the policy writes them. Everything is computed in whole bytes and milliseconds. */}}

{{/* A number without exponent; anything else as it is. */}}
{{- define "siren.plain" -}}
{{- if and (kindIs "float64" .) (eq (floor .) .) -}}{{ int64 . }}{{- else -}}{{ toString . }}{{- end -}}
{{- end -}}

{{/* A whole number: (dict "path" "policy.budget" "value" 12 "least" 1). */}}
{{- define "siren.count" -}}
{{- $text := kindIs "invalid" .value | ternary "nothing" (include "siren.plain" .value) -}}
{{- if not (and (regexMatch "^(0|[1-9][0-9]{0,8})$" $text) (ge (int64 $text) (int64 .least))) -}}
{{- fail (printf "%s: must be a whole number of at least %d, not %s" .path (int64 .least) $text) -}}
{{- end -}}
{{- $text -}}
{{- end -}}

{{/* Bytes of a size such as 512Mi, 2Gi or 1048576: (dict "path" "workers.memoryOverhead" "value" "128Mi"). */}}
{{- define "siren.bytes" -}}
{{- $text := include "siren.plain" .value | trim -}}
{{- if not (regexMatch "^[0-9]{1,15}(Ki|Mi|Gi|Ti)?$" $text) -}}
{{- fail (printf "%s: %q is not a size; write it as 512Mi or 2Gi" .path $text) -}}
{{- end -}}
{{- $units := dict "Ki" 1024 "Mi" 1048576 "Gi" 1073741824 "Ti" 1099511627776 -}}
{{- $unit := get $units (regexFind "[A-Z]i$" $text) | default 1 | int64 -}}
{{- $count := regexFind "^[0-9]+" $text | atoi | int64 -}}
{{- if gt $count (div 4611686018427387904 $unit) -}}
{{- fail (printf "%s: %q is too large" .path $text) -}}
{{- end -}}
{{- mul $count $unit -}}
{{- end -}}

{{/* Bytes in the largest unit that leaves no remainder: "2147483648" is 2Gi. */}}
{{- define "siren.size" -}}
{{- $n := int64 . -}}
{{- if and (gt $n 0) (eq (mod $n 1073741824) 0) -}}{{ div $n 1073741824 }}Gi
{{- else if and (gt $n 0) (eq (mod $n 1048576) 0) -}}{{ div $n 1048576 }}Mi
{{- else if and (gt $n 0) (eq (mod $n 1024) 0) -}}{{ div $n 1024 }}Ki
{{- else -}}{{ $n }}
{{- end -}}
{{- end -}}

{{/* Milliseconds of a duration such as 90s, 30m or 1h30m: (dict "path" "workers.drainTimeout" "value" "5m"). */}}
{{- define "siren.milliseconds" -}}
{{- $text := toString .value -}}
{{- if not (regexMatch "^\\+?(0|(([0-9]+(\\.[0-9]*)?|\\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))+)$" $text) -}}
{{- fail (printf "%s: %q is not a duration; write it as 90s, 30m or 1h30m" .path $text) -}}
{{- end -}}
{{- $epoch := toDate "2006-01-02T15:04:05Z07:00" "1970-01-01T00:00:00Z" -}}
{{- (mustDateModify $text $epoch).UnixMilli -}}
{{- end -}}

{{/* A share of the memory limit, in bytes: (dict "path" "redis" "resources" {…} "percent" 60). The quantities of Kubernetes are more than the
     policy's; the few that make no sense here are refused. */}}
{{- define "siren.shareOfLimit" -}}
{{- $limit := (.resources.limits | default dict).memory -}}
{{- if not $limit -}}
{{- fail (printf "%s.resources.limits.memory is needed: name a limit, or say %s.%s" .path .path .instead) -}}
{{- end -}}
{{- $text := include "siren.plain" $limit -}}
{{- if regexMatch "^[0-9]{1,9}[kMG]$" $text -}}
{{- $unit := get (dict "k" 1000 "M" 1000000 "G" 1000000000) (regexFind "[kMG]$" $text) -}}
{{- $text = mul (regexFind "^[0-9]+" $text | atoi) $unit | toString -}}
{{- end -}}
{{- div (mul (include "siren.bytes" (dict "path" (printf "%s.resources.limits.memory" .path) "value" $text) | int64) .percent) 100 -}}
{{- end -}}
