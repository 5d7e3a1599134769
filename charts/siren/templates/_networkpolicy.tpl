{{/* One egress rule: (dict "to" peers "ports" [5672]); no peers are anywhere. */}}
{{- define "siren.networkPolicy.egress" -}}
- ports:
    {{- range .ports }}
    - {port: {{ . }}}
    {{- end }}
  {{- with .to }}
  to:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end -}}

{{/* The egress rule to RabbitMQ or Redis: (dict "root" $ "server" "redis" "port" "redis"), port being the bundled one's name. */}}
{{- define "siren.networkPolicy.server" -}}
{{- if (get .root.Values .server).enabled -}}
- ports: [{port: {{ .port }}}]
  to:
    - podSelector:
        matchLabels:
          {{- include "siren.selectorLabels" (dict "root" .root "component" .server) | nindent 10 }}
{{- else -}}
{{- include "siren.networkPolicy.egress" (get .root.Values.networkPolicy .server) -}}
{{- end -}}
{{- end -}}
