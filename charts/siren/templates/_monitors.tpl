{{/* What PodMonitor and ServiceMonitor have in common. */}}

{{/* What selects the pods of scaler, workers and gateway, or their Services. */}}
{{- define "siren.monitor.selector" -}}
matchLabels:
  app.kubernetes.io/name: {{ include "siren.name" . | quote }}
  app.kubernetes.io/instance: {{ .Release.Name | quote }}
matchExpressions:
  - {key: app.kubernetes.io/component, operator: In, values: [scaler, worker, gateway]}
{{- end -}}

{{/* The job that Prometheus calls their series: what the alerts go by. It is what a PodMonitor's name makes of itself. */}}
{{- define "siren.monitor.job" -}}
{{ include "siren.namespace" . }}/{{ include "siren.fullname" . }}
{{- end -}}

{{/* How they are read: (dict "root" $ "values" .Values.monitoring.podMonitor), with "job" true where the name of the job has to be set. */}}
{{- define "siren.monitor.endpoint" -}}
path: /metrics
interval: {{ .values.interval }}
scrapeTimeout: {{ .values.scrapeTimeout }}
relabelings:
  {{- if .job }}
  - {targetLabel: job, replacement: {{ include "siren.monitor.job" .root | quote }}}
  {{- end }}
  - {sourceLabels: [__meta_kubernetes_pod_label_app_kubernetes_io_component], targetLabel: component}
  - {sourceLabels: [__meta_kubernetes_pod_label_siren_polyglot_media_pool], targetLabel: pool} # of a worker; a scaler's series say theirs themselves
  {{- with .values.relabelings }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with .values.metricRelabelings }}
metricRelabelings:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}
