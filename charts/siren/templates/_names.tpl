{{/* Names and labels. */}}

{{/* Name of everything that belongs to the release. At most 43 characters: what a StatefulSet may add to it has to fit into a label. */}}
{{- define "siren.fullname" -}}
{{- $name := .Values.fullnameOverride -}}
{{- if not $name -}}
{{- $name = contains "siren" .Release.Name | ternary .Release.Name (printf "%s-siren" .Release.Name) -}}
{{- end -}}
{{- $name | trunc 43 | trimSuffix "-" -}}
{{- end -}}

{{/* What selects the pods of a component: (dict "root" $ "component" "worker"). */}}
{{- define "siren.selectorLabels" -}}
app.kubernetes.io/name: siren
app.kubernetes.io/instance: {{ .root.Release.Name | quote }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{/* All labels of an object: (dict "root" $ "component" "worker"), without component for what belongs to none. */}}
{{- define "siren.labels" -}}
app.kubernetes.io/name: siren
app.kubernetes.io/instance: {{ .root.Release.Name | quote }}
{{- with .component }}
app.kubernetes.io/component: {{ . }}
{{- end }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* An image: (dict "root" $ "image" .Values.image), with "own" true for one that is released with the chart. */}}
{{- define "siren.image" -}}
{{- if .image.digest -}}
{{ .image.repository }}@{{ .image.digest }}
{{- else -}}
{{ .image.repository }}:{{ .image.tag | default (default false .own | ternary .root.Chart.AppVersion "") | required (printf "%s: name a tag or a digest" .image.repository) }}
{{- end -}}
{{- end -}}

{{/* Name of a ServiceAccount: (dict "root" $ "component" "scaler" "account" .Values.scaler.serviceAccount). */}}
{{- define "siren.serviceAccountName" -}}
{{- if .account.create -}}
{{- .account.name | default (printf "%s-%s" (include "siren.fullname" .root) .component) -}}
{{- else -}}
{{- .account.name | default "default" -}}
{{- end -}}
{{- end -}}
