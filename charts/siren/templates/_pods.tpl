{{/* What the pods of scaler and workers have in common. values is .Values.scaler, or .Values.workers as it is for a pool. */}}

{{/* Flags of every siren process. */}}
{{- define "siren.logArgs" -}}
- --log-level={{ .Values.log.level }}
{{- if .Values.log.json }}
- --log-json
{{- end }}
{{- end -}}

{{/* A field that is a list or a map, where the values have one of that name: (dict "values" $w "fields" (list "envFrom")). */}}
{{- define "siren.fields" -}}
{{- range $field := .fields }}
{{- with get $.values $field }}
{{ $field }}:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
{{- end -}}

{{/* The probes that have any values: .values. A process is ready from its first session with the broker on, for good: so its startup is what is probed. It answers once it
     is ready, within 25 s, and nobody asks it while it ends: so neither leaves a Warning Unhealthy behind. */}}
{{- define "siren.probes" -}}
{{- range $probe, $path := dict "startupProbe" "/readyz?wait=25s" "livenessProbe" "/livez" "readinessProbe" "/readyz" }}
{{- with get $.values $probe }}
{{ $probe }}:
  httpGet: {path: {{ quote $path }}, port: metrics}
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
{{- end -}}

{{/* Where the pods may run, and on what: .values and .selectorLabels (YAML). */}}
{{- define "siren.scheduling" -}}
{{- range $field := list "runtimeClassName" "schedulerName" "dnsPolicy" }}
{{- with get $.values $field }}
{{ $field }}: {{ quote . }}
{{- end }}
{{- end }}
{{- include "siren.fields" (dict "values" .values "fields" (list "hostAliases" "dnsConfig" "nodeSelector" "tolerations" "affinity")) }}
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
{{ include "siren.namespace" .root }}-{{ include "siren.fullname" .root }}-worker-{{ .pool.name }}-{{ int64 .pool.values.priorityClass.value }}
{{- end -}}

{{/* The environment of a scaler, and of who looks at what it sees. */}}
{{- define "siren.scaler.env" -}}
- name: POD_NAMESPACE
  valueFrom: {fieldRef: {fieldPath: metadata.namespace}}
- {name: SIREN_RELEASE, value: {{ include "siren.fullname" . | quote }}} # for siren doctor: what the Lease and the ConfigMaps are called
- {name: SIREN_SELECTOR, value: {{ include "siren.workersSelector" . | quote }}} # and its Deployments, among those of other releases
{{- with .Values.policyExistingConfigMap }}
- {name: SIREN_POLICY_CONFIGMAP, value: {{ quote . }}}
{{- end }}
{{ include "siren.connections.env" (dict "root" . "role" "scaler") }}
{{- with .Values.scaler.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}
