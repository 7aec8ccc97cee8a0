{{- define "affect.name" -}}
{{- if contains "affect" .Release.Name }}{{ .Release.Name }}{{ else }}{{ .Release.Name }}-affect{{ end }}
{{- end }}

{{- /* What each service is; nothing of it is for operators to choose. */}}
{{- define "affect.services" -}}
gateway: { peers: [fusion] }
fusion: { peers: [features, speech, face] }
features: { peers: [] }
speech: { peers: [], models: true }
face: { peers: [], models: true }
{{- end }}

{{- /* (dict "root" $ "component" NAME) */}}
{{- define "affect.selector" -}}
app.kubernetes.io/name: affect
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "affect.labels" -}}
{{ include "affect.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/part-of: affect
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ .root.Chart.Name }}-{{ .root.Chart.Version }}
{{- end }}

{{- /* (dict "root" $ "image" NAME "gpu" BOOL) */}}
{{- define "affect.image" -}}
{{- $image := .root.Values.image -}}
image: {{ $image.repository }}/{{ .image }}:{{ $image.tag | default .root.Chart.AppVersion }}{{ if .gpu }}-gpu{{ end }}{{ with index $image.digests .image }}@{{ . }}{{ end }}
imagePullPolicy: {{ $image.pullPolicy }}
{{- end }}

{{- /* What every pod has, (dict "root" $ "component" NAME "spec" VALUES). */}}
{{- define "affect.pod" -}}
serviceAccountName: {{ include "affect.name" .root }}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 1654
  runAsGroup: 1654
  fsGroup: 1654
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile: { type: RuntimeDefault }
{{- with .root.Values.image.pullSecrets }}
imagePullSecrets: {{ toJson . }}
{{- end }}
{{- with .spec.runtimeClassName }}
runtimeClassName: {{ . }}
{{- end }}
{{- with .spec.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .spec.nodeSelector }}
nodeSelector: {{ toJson . }}
{{- end }}
{{- with .spec.tolerations }}
tolerations: {{ toJson . }}
{{- end }}
{{- with .spec.affinity }}
affinity: {{ toJson . }}
{{- end }}
{{- end }}

{{- define "affect.container" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: { drop: [ALL] }
{{- end }}

{{- /* Requests and limits, with the GPUs where there are any: (dict "resources" … "gpu" …). */}}
{{- define "affect.resources" -}}
resources:
  requests: {{ toJson .resources.requests }}
  limits: {{ if gt (int .gpu.count) 0 }}{{ toJson (merge (dict .gpu.resource (int .gpu.count)) .resources.limits) }}{{ else }}{{ toJson .resources.limits }}{{ end }}
{{- end }}

{{- /* Name of the secret with the certificate of a service, (dict "root" $ "service" NAME). */}}
{{- define "affect.internalSecret" -}}
{{ .root.Values.tls.internal.secretName | default (printf "%s-%s-tls" (include "affect.name" .root) .service) }}
{{- end }}

{{- define "affect.gatewaySecret" -}}
{{ .Values.tls.gateway.secretName | default (printf "%s-tls" (include "affect.name" .)) }}
{{- end }}

{{- define "affect.clientSecret" -}}
{{ .Values.client.keySecret | default (printf "%s-client-key" (include "affect.name" .)) }}
{{- end }}

{{- /* Whether the chart makes the key of its own tests and batches. */}}
{{- define "affect.makesClientKey" -}}
{{- if and .Values.gateway.requireApiKey (not .Values.client.keySecret) }}true{{ end }}
{{- end }}

{{- /* How pods with the command line find the gateway. */}}
{{- define "affect.clientEnv" -}}
- name: AFFECT_ADDRESS
  value: {{ ternary "https" "http" .Values.tls.gateway.enabled }}://{{ include "affect.name" . }}-gateway:8081
{{- if .Values.gateway.requireApiKey }}
- name: AFFECT_API_KEY
  valueFrom: { secretKeyRef: { name: {{ include "affect.clientSecret" . }}, key: key } }
{{- end }}
{{- if .Values.tls.gateway.enabled }}
# The authority of the gateway's certificate, beside those that the image knows.
- name: SSL_CERT_FILE
  value: /tls/ca.crt
{{- end }}
{{- end }}
