{{- /* Settings that the chart derives for a service, (dict "root" $ "service" SERVICE). services.NAME.config overrides them. */}}
{{- define "affect.serviceSettings" -}}
{{- $values := .root.Values -}}
{{- $service := .service -}}
{{- $section := title $service.name -}}
{{- $gateway := eq $service.name "gateway" -}}
{{- $internal := $values.tls.internal.enabled -}}
"Server:HealthPort": 8082
{{- range $service.peers }}
"{{ $section }}:{{ title . }}Address": dns:///{{ include "affect.fullname" $.root }}-{{ . }}:8081
{{- end }}
{{- if $service.tls }}
"Server:TlsPath": {{ ternary "/tls/public" "/tls/internal" $gateway }}
{{- end }}
{{- if and $internal (not $gateway) }}
"Server:RequireClientCertificate": true
{{- end }}
{{- if and $internal $service.peers }}
"Server:PeerTlsPath": /tls/internal
{{- end }}
{{- if $values.telemetry.metrics.enabled }}
"Server:MetricsPort": 9464
{{- end }}
{{- with $values.telemetry.otlpEndpoint }}
"OTEL_EXPORTER_OTLP_ENDPOINT": {{ quote . }}
{{- end }}
{{- if and $service.models (ne $values.models.source "image") }}
"{{ $section }}:ModelsPath": /models
{{- end }}
{{- if $service.gpu }}
"{{ $section }}:Provider": {{ $service.spec.gpu.provider }}
{{- if eq $service.spec.gpu.provider "TensorRt" }}
"{{ $section }}:TensorRtCachePath": /cache
{{- end }}
{{- end }}
{{- if $gateway }}
"Gateway:RequireApiKey": {{ $values.gateway.requireApiKey }}
{{- if not $values.gateway.requireApiKey }}
{{- /* Names of the gateway; without keys, it rejects others. */}}
{{- $name := printf "%s-gateway" (include "affect.fullname" $.root) }}
{{- $service := printf "%s.%s" $name $.root.Release.Namespace }}
{{- $hosts := list $name $service (printf "%s.svc" $service) (printf "%s.svc.cluster.local" $service) $values.ingress.host $values.ingress.grpcHost }}
{{- range $index, $host := concat $hosts $values.gatewayApi.hostnames $values.gatewayApi.grpcHostnames | compact }}
"Gateway:AllowedHosts:{{ $index }}": {{ quote $host }}
{{- end }}
{{- end }}
{{- with $values.gateway.jwt.authority }}
"Gateway:Jwt:Authority": {{ . | quote }}
"Gateway:Jwt:Audience": {{ required "gateway.jwt.audience is required with gateway.jwt.authority" $values.gateway.jwt.audience | quote }}
{{- end }}
{{- if $values.dapr.enabled }}
"Gateway:Events:PubSub": {{ quote $values.dapr.pubsub }}
"Gateway:Events:Topic": {{ quote $values.dapr.topic }}
{{- end }}
{{- end }}
{{- end }}

{{- /* Settings as environment variables: "Fusion:MaxCalls" is Fusion__MaxCalls. toJson, because Go prints 1000000 as 1e+06. */}}
{{- define "affect.settings" -}}
{{- range $key, $value := . }}
- name: {{ replace ":" "__" $key }}
  value: {{ if kindIs "string" $value }}{{ quote $value }}{{ else }}{{ toJson $value | quote }}{{ end }}
{{- end }}
{{- end }}
