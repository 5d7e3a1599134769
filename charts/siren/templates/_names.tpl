{{/* Names and labels. */}}

{{/* What this application is called: the label app.kubernetes.io/name. */}}
{{- define "siren.name" -}}
{{- .Values.nameOverride | default "siren" | trunc 43 | trimSuffix "-" -}}
{{- end -}}

{{/* Name of everything that belongs to the release. At most 43 characters: what a StatefulSet may add to it has to fit into a label. */}}
{{- define "siren.fullname" -}}
{{- $name := .Values.fullnameOverride -}}
{{- if not $name -}}
{{- $name = contains (include "siren.name" .) .Release.Name | ternary .Release.Name (printf "%s-%s" .Release.Name (include "siren.name" .)) -}}
{{- end -}}
{{- $name | trunc 43 | trimSuffix "-" -}}
{{- end -}}

{{/* The namespace of everything. */}}
{{- define "siren.namespace" -}}
{{- .Values.namespaceOverride | default .Release.Namespace -}}
{{- end -}}

{{/* What selects the pods of a component: (dict "root" $ "component" "worker"). */}}
{{- define "siren.selectorLabels" -}}
app.kubernetes.io/name: {{ include "siren.name" .root | quote }}
app.kubernetes.io/instance: {{ .root.Release.Name | quote }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{/* Which Deployments are this release's pools, as a label selector. */}}
{{- define "siren.workersSelector" -}}
app.kubernetes.io/instance={{ .Release.Name }},app.kubernetes.io/name={{ include "siren.name" . }}
{{- end -}}

{{/* The metadata of an object: (dict "root" $ "suffix" "worker-batch"), suffix being what follows the release's name; "name" instead is the whole one. Where it has them:
     "component", "pool", "labels" and "annotations" of its own, which win over those that all have. "cluster" is true for what is in no namespace. */}}
{{- define "siren.metadata" -}}
name: {{ .name | default (list (include "siren.fullname" .root) .suffix | compact | join "-") }}
{{- if not .cluster }}
namespace: {{ include "siren.namespace" .root | quote }}
{{- end }}
labels:
  {{- include "siren.labels" . | nindent 2 }}
{{- with merge (dict) (.annotations | default dict) .root.Values.commonAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* All labels of an object, by what siren.metadata is given. */}}
{{- define "siren.labels" -}}
app.kubernetes.io/name: {{ include "siren.name" .root | quote }}
app.kubernetes.io/instance: {{ .root.Release.Name | quote }}
{{- with .component }}
app.kubernetes.io/component: {{ . }}
{{- end }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- with .pool }}
siren.polyglot.media/pool: {{ . | quote }}
{{- end }}
{{- with merge (dict) (.labels | default dict) .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* An image: (dict "root" $ "image" .Values.image), with "own" true for one that is released with the chart. image.registry stands in for the registry of each. */}}
{{- define "siren.image" -}}
{{- $repository := .image.repository -}}
{{- with .root.Values.image.registry -}}
{{- $repository = printf "%s/%s" . (regexReplaceAll "^([^/]*[.:][^/]*|localhost)/" $repository "") -}}
{{- end -}}
{{- if .image.digest -}}
{{ $repository }}@{{ .image.digest }}
{{- else -}}
{{ $repository }}:{{ .image.tag | default (default false .own | ternary .root.Chart.AppVersion "") | required (printf "%s: name a tag or a digest" .image.repository) }}
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

{{/* Name of the ServiceAccount of a pool's workers, which is the pool's alone where `workers.pools.<name>.serviceAccount` says anything: (dict "root" $ "pool" $pool). */}}
{{- define "siren.workerServiceAccountName" -}}
{{- $account := .pool.values.serviceAccount -}}
{{- $component := "worker" -}}
{{- with .pool.account -}}
{{- $account = dict "create" $account.create "name" .name -}}
{{- $component = printf "worker-%s" $.pool.name -}}
{{- end -}}
{{- include "siren.serviceAccountName" (dict "root" .root "component" $component "account" $account) -}}
{{- end -}}

{{/* The ServiceAccounts of the workers that mark their pods, as a JSON list of names. */}}
{{- define "siren.markers" -}}
{{- $accounts := list -}}
{{- range $pool := (include "siren.pools" . | fromJson).pools -}}
{{- if $pool.marked -}}
{{- $accounts = append $accounts (include "siren.workerServiceAccountName" (dict "root" $ "pool" $pool)) -}}
{{- end -}}
{{- end -}}
{{- $accounts | uniq | toJson -}}
{{- end -}}
