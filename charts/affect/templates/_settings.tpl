{{- /* What the chart decides of a service's settings; services.NAME.config has the last word.
       (dict "root" $ "service" NAME "facts" … "spec" VALUES "tls" BOOL "gpu" BOOL) */}}
{{- define "affect.serviceSettings" -}}
{{- $values := .root.Values -}}
{{- $section := title .service -}}
{{- $gateway := eq .service "gateway" -}}
{{- $internal := $values.tls.internal.enabled -}}
"Server:HealthPort": 8082
{{- range .facts.peers }}
"{{ $section }}:{{ title . }}Address": dns:///{{ include "affect.name" $.root }}-{{ . }}:8081
{{- end }}
{{- if .tls }}
"Server:TlsPath": {{ ternary "/tls/public" "/tls/internal" $gateway }}
{{- end }}
{{- if and $internal (not $gateway) }}
"Server:RequireClientCertificate": true
{{- end }}
{{- if and $internal .facts.peers }}
"Server:PeerTlsPath": /tls/internal
{{- end }}
{{- if $values.telemetry.metrics.enabled }}
"Server:MetricsPort": 9464
{{- end }}
{{- with $values.telemetry.otlpEndpoint }}
"OTEL_EXPORTER_OTLP_ENDPOINT": {{ quote . }}
{{- end }}
{{- if and .facts.models (ne $values.models.source "image") }}
"{{ $section }}:ModelsPath": /models
{{- end }}
{{- if .gpu }}
"{{ $section }}:Provider": {{ .spec.gpu.provider }}
{{- if eq .spec.gpu.provider "TensorRt" }}
"{{ $section }}:TensorRtCachePath": /cache
{{- end }}
{{- end }}
{{- if $gateway }}
"Gateway:RequireApiKey": {{ $values.gateway.requireApiKey }}
{{- with $values.gateway.jwt.authority }}
"Gateway:Jwt:Authority": {{ . | quote }}
"Gateway:Jwt:Audience": {{ required "gateway.jwt.audience says for whom tokens must be" $values.gateway.jwt.audience | quote }}
{{- end }}
{{- if $values.dapr.enabled }}
"Gateway:Events:PubSub": {{ quote $values.dapr.pubsub }}
"Gateway:Events:Topic": {{ quote $values.dapr.topic }}
{{- end }}
{{- end }}
{{- end }}

{{- /* Settings as environment: "Fusion:MaxCalls" is Fusion__MaxCalls. Numbers as JSON writes them, for Go has 1000000 as 1e+06. */}}
{{- define "affect.settings" -}}
{{- range $key, $value := . }}
- name: {{ replace ":" "__" $key }}
  value: {{ if kindIs "string" $value }}{{ quote $value }}{{ else }}{{ toJson $value | quote }}{{ end }}
{{- end }}
{{- end }}
