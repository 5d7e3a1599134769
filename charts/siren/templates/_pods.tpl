{{/* What the pods of scaler and workers have in common. values is .Values.scaler, or .Values.workers as it is for a pool. */}}

{{/* Flags of every siren process. */}}
{{- define "siren.logArgs" -}}
- --log-level={{ .Values.log.level }}
{{- if .Values.log.json }}
- --log-json
{{- end }}
{{- end -}}

{{/* The three probes: .values. */}}
{{- define "siren.probes" -}}
{{- range $probe, $path := dict "startupProbe" "/livez" "livenessProbe" "/livez" "readinessProbe" "/readyz" }}
{{ $probe }}:
  httpGet: {path: {{ $path }}, port: metrics}
  {{- with get $.values $probe }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}
{{- end -}}

{{/* Where the pods may run: .values and .selectorLabels (YAML). */}}
{{- define "siren.scheduling" -}}
{{- with .values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.topologySpreadConstraints }}
topologySpreadConstraints:
  {{- range . }}
  {{- if .labelSelector }}
  - {{ toYaml . | nindent 4 | trim }}
  {{- else }}
  - {{ toYaml . | nindent 4 | trim }}
    labelSelector:
      matchLabels:
        {{- $.selectorLabels | nindent 8 }}
  {{- end }}
  {{- end }}
{{- end }}
{{- end -}}

{{/* A pool's own PriorityClass: (dict "root" $ "pool" $pool). It belongs to no namespace, so its name says which one; and its value can't change. */}}
{{- define "siren.priorityClassName" -}}
{{ .root.Release.Namespace }}-{{ include "siren.fullname" .root }}-worker-{{ .pool.name }}-{{ int64 .pool.values.priorityClass.value }}
{{- end -}}
