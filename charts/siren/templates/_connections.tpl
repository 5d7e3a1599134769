{{/* Where RabbitMQ, Redis and S3 are, and how a pod gets to know: URLs, certificates and credentials are files of mounted Secrets. Files follow a
     rotated Secret and are read again for every connection; an environment doesn't, and is easily printed. */}}

{{/* A URL as it was set: (dict "path" "redis.url" "url" .Values.redis.url "form" "^rediss?://." "hint" "write …"). The message doesn't cite it, since it has a password; a
     schema's would. */}}
{{- define "siren.url" -}}
{{- if not (regexMatch .form .url) -}}
{{- fail (printf "%s is malformed: %s" .path .hint) -}}
{{- end -}}
{{- .url -}}
{{- end -}}

{{/* The Secret and its key that hold the URL of RabbitMQ for scaler, worker or gateway, as JSON; {} when nothing says where it is, for which checks.yaml fails:
     (dict "root" $ "role" "worker"). */}}
{{- define "siren.rabbitmq.secret" -}}
{{- $r := .root.Values.rabbitmq -}}
{{- $own := get $r .role -}}
{{- $made := printf "%s-rabbitmq" (include "siren.fullname" .root) -}}
{{- $at := printf "rabbitmq.%s" .role -}}
{{- $form := "^amqps?://." -}}
{{- $hint := "write amqp://user:password@host:5672/vhost, or amqps://…" -}}
{{- if and $own.url $own.existingSecret -}}
{{- fail (printf "%s.url and %s.existingSecret are both set: choose one" $at $at) -}}
{{- end -}}
{{- if and $r.url $r.existingSecret -}}
{{- fail "rabbitmq.url and rabbitmq.existingSecret are both set: choose one" -}}
{{- end -}}
{{- if $r.enabled -}}
{{- if or $r.url $r.existingSecret $own.url $own.existingSecret -}}
{{- fail (printf "rabbitmq.enabled runs a RabbitMQ of its own, but there is also a URL or an existingSecret (in rabbitmq or %s): choose one" $at) -}}
{{- end -}}
{{- dict "name" $made "key" (printf "%s-url" .role) | toJson -}}
{{- else if $own.existingSecret -}}
{{- dict "name" $own.existingSecret "key" ($own.existingSecretKey | default $r.existingSecretKey) | toJson -}}
{{- else if $own.url -}}
{{- dict "name" $made "key" (printf "%s-url" .role) "url" (include "siren.url" (dict "path" (printf "%s.url" $at) "url" $own.url "form" $form "hint" $hint)) | toJson -}}
{{- else if $r.existingSecret -}}
{{- dict "name" $r.existingSecret "key" $r.existingSecretKey | toJson -}}
{{- else if $r.url -}}
{{- dict "name" $made "key" "url" "url" (include "siren.url" (dict "path" "rabbitmq.url" "url" $r.url "form" $form "hint" $hint)) | toJson -}}
{{- else -}}
{}
{{- end -}}
{{- end -}}

{{/* The same of Redis, for scaler, worker, gateway or operator. The operator is who types commands in a scaler's pod; without a login for that it is the
     scaler's. */}}
{{- define "siren.redis.secret" -}}
{{- $r := .root.Values.redis -}}
{{- $own := get $r .role -}}
{{- $made := printf "%s-redis" (include "siren.fullname" .root) -}}
{{- $at := printf "redis.%s" .role -}}
{{- $form := "^rediss?([+]sentinel)?://." -}}
{{- $hint := "write redis://user:password@host:6379/0, rediss://… or redis+sentinel://…" -}}
{{- if and $own.url $own.existingSecret -}}
{{- fail (printf "%s.url and %s.existingSecret are both set: choose one" $at $at) -}}
{{- end -}}
{{- if and $r.url $r.existingSecret -}}
{{- fail "redis.url and redis.existingSecret are both set: choose one" -}}
{{- end -}}
{{- if $r.enabled -}}
{{- if or $r.url $r.existingSecret $own.url $own.existingSecret -}}
{{- fail (printf "redis.enabled runs a Redis of its own, but there is also a URL or an existingSecret (in redis or %s): choose one" $at) -}}
{{- end -}}
{{- dict "name" $made "key" (printf "%s-url" .role) | toJson -}}
{{- else if $own.existingSecret -}}
{{- dict "name" $own.existingSecret "key" ($own.existingSecretKey | default $r.existingSecretKey) | toJson -}}
{{- else if $own.url -}}
{{- dict "name" $made "key" (printf "%s-url" .role) "url" (include "siren.url" (dict "path" (printf "%s.url" $at) "url" $own.url "form" $form "hint" $hint)) | toJson -}}
{{- else if $r.existingSecret -}}
{{- dict "name" $r.existingSecret "key" $r.existingSecretKey | toJson -}}
{{- else if $r.url -}}
{{- dict "name" $made "key" "url" "url" (include "siren.url" (dict "path" "redis.url" "url" $r.url "form" $form "hint" $hint)) | toJson -}}
{{- else if eq .role "operator" -}}
{{- include "siren.redis.secret" (dict "root" .root "role" "scaler") -}}
{{- else -}}
{}
{{- end -}}
{{- end -}}

{{/* The Secret and its key with the URL of Redis for who types commands in the pod, as JSON; {} where it is that of the process: (dict "root" $ "role"
     "worker"). */}}
{{- define "siren.redis.operator" -}}
{{- $own := include "siren.redis.secret" . | fromJson -}}
{{- $operator := include "siren.redis.secret" (dict "root" .root "role" "operator") | fromJson -}}
{{- if and (eq .role "scaler") (ne (toJson $own) (toJson $operator)) -}}
{{- toJson $operator -}}
{{- else -}}
{}
{{- end -}}
{{- end -}}

{{/* The Secret and its key that hold the S3 credentials, as JSON; {} when there is none. */}}
{{- define "siren.s3.secret" -}}
{{- $s := .Values.s3 -}}
{{- if and $s.existingSecret (or $s.accessKeyID $s.secretAccessKey) -}}
{{- fail "s3.existingSecret and s3.accessKeyID are both set: choose one" -}}
{{- end -}}
{{- if ne (empty $s.accessKeyID) (empty $s.secretAccessKey) -}}
{{- fail "s3.accessKeyID and s3.secretAccessKey go together" -}}
{{- end -}}
{{- if $s.existingSecret -}}
{{- dict "name" $s.existingSecret "key" $s.existingSecretKey | toJson -}}
{{- else if $s.accessKeyID -}}
{{- dict "name" (printf "%s-s3" (include "siren.fullname" .)) "key" "credentials" | toJson -}}
{{- else -}}
{}
{{- end -}}
{{- end -}}

{{/* What of a TLS Secret is used, as JSON: {"ca": key, "cert": key, "key": key}, each only if it is: (dict "path" "redis.tls" "tls" .Values.redis.tls
     "url" URL-if-known "secure" "rediss"). */}}
{{- define "siren.tls.files" -}}
{{- $files := dict -}}
{{- if .tls.existingSecret -}}
{{- if and .url (not (hasPrefix .secure .url)) -}}
{{- fail (printf "%s.existingSecret is set, but the URL doesn't begin with %s: the connection would be in the clear" .path .secure) -}}
{{- end -}}
{{- if ne (empty .tls.certKey) (empty .tls.keyKey) -}}
{{- fail (printf "%s.certKey and %s.keyKey go together" .path .path) -}}
{{- end -}}
{{- with .tls.caKey -}}{{- $_ := set $files "ca" . -}}{{- end -}}
{{- with .tls.certKey -}}{{- $_ := set $files "cert" . -}}{{- end -}}
{{- with .tls.keyKey -}}{{- $_ := set $files "key" . -}}{{- end -}}
{{- if not $files -}}
{{- fail (printf "%s: name caKey, or certKey and keyKey" .path) -}}
{{- end -}}
{{- end -}}
{{- toJson $files -}}
{{- end -}}

{{/* The environment that says where the files are: (dict "root" $ "role" "worker"). */}}
{{- define "siren.connections.env" -}}
{{- $amqp := include "siren.rabbitmq.secret" . | fromJson -}}
{{- $redis := include "siren.redis.secret" . | fromJson -}}
- name: SIREN_ROLE
  value: {{ .role }}
- name: SIREN_AMQP_URL_FILE
  value: /etc/siren/rabbitmq/url
{{- $files := include "siren.tls.files" (dict "path" "rabbitmq.tls" "tls" .root.Values.rabbitmq.tls "url" $amqp.url "secure" "amqps://") | fromJson }}
{{- range $what, $_ := $files }}
- name: SIREN_AMQP_{{ upper $what }}_FILE
  value: /etc/siren/rabbitmq-tls/{{ $what }}
{{- end }}
- name: SIREN_REDIS_URL_FILE
  value: /etc/siren/redis/url
{{- if and .root.Values.redis.enabled (not .root.Values.redis.persistence.enabled) }}
- name: SIREN_REDIS_EPHEMERAL # for siren doctor: Redis can't tell
  value: "true"
{{- end }}
{{- if ne (include "siren.redis.operator" .) "{}" }}
- name: SIREN_REDIS_OPERATOR_URL_FILE
  value: /etc/siren/redis-operator/url
{{- end }}
{{- $files = include "siren.tls.files" (dict "path" "redis.tls" "tls" .root.Values.redis.tls "url" $redis.url "secure" "rediss") | fromJson }}
{{- range $what, $_ := $files }}
- name: SIREN_REDIS_{{ upper $what }}_FILE
  value: /etc/siren/redis-tls/{{ $what }}
{{- end }}
{{- end -}}

{{/* The volumes that hold the files. */}}
{{- define "siren.connections.volumes" -}}
{{- $amqp := include "siren.rabbitmq.secret" . | fromJson -}}
{{- $redis := include "siren.redis.secret" . | fromJson -}}
- name: rabbitmq
  secret:
    secretName: {{ $amqp.name }}
    defaultMode: 0440
    items: [{key: {{ quote $amqp.key }}, path: url}]
{{- with .root.Values.rabbitmq.tls }}
{{- if .existingSecret }}
- name: rabbitmq-tls
  secret:
    secretName: {{ .existingSecret }}
    defaultMode: 0440
    items:
      {{- range $what, $key := include "siren.tls.files" (dict "path" "rabbitmq.tls" "tls" .) | fromJson }}
      - {key: {{ quote $key }}, path: {{ $what }}}
      {{- end }}
{{- end }}
{{- end }}
- name: redis
  secret:
    secretName: {{ $redis.name }}
    defaultMode: 0440
    items: [{key: {{ quote $redis.key }}, path: url}]
{{- with include "siren.redis.operator" . | fromJson }}
- name: redis-operator
  secret:
    secretName: {{ .name }}
    defaultMode: 0440
    items: [{key: {{ quote .key }}, path: url}]
{{- end }}
{{- with .root.Values.redis.tls }}
{{- if .existingSecret }}
- name: redis-tls
  secret:
    secretName: {{ .existingSecret }}
    defaultMode: 0440
    items:
      {{- range $what, $key := include "siren.tls.files" (dict "path" "redis.tls" "tls" .) | fromJson }}
      - {key: {{ quote $key }}, path: {{ $what }}}
      {{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{/* Where they are mounted: whole directories, since a subPath isn't updated. */}}
{{- define "siren.connections.mounts" -}}
- {name: rabbitmq, mountPath: /etc/siren/rabbitmq, readOnly: true}
{{- if .root.Values.rabbitmq.tls.existingSecret }}
- {name: rabbitmq-tls, mountPath: /etc/siren/rabbitmq-tls, readOnly: true}
{{- end }}
- {name: redis, mountPath: /etc/siren/redis, readOnly: true}
{{- if ne (include "siren.redis.operator" .) "{}" }}
- {name: redis-operator, mountPath: /etc/siren/redis-operator, readOnly: true}
{{- end }}
{{- if .root.Values.redis.tls.existingSecret }}
- {name: redis-tls, mountPath: /etc/siren/redis-tls, readOnly: true}
{{- end }}
{{- end -}}
