{{- /* Value of the label app.kubernetes.io/name. */}}
{{- define "affect.name" -}}
{{- .Values.nameOverride | default .Chart.Name | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- /* Prefix of the name of every object. At most 50 characters: the longest suffix, "-features-tls", has 13. */}}
{{- define "affect.fullname" -}}
{{- $name := include "affect.name" . }}
{{- $release := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) }}
{{- $fullname := .Values.fullnameOverride | default $release | trunc 50 | trimSuffix "-" }}
{{- if not (regexMatch "^[a-z][a-z0-9-]*$" $fullname) }}
{{- fail (printf "%s is not valid as a prefix of Service names, which begin with a letter and have no dots: set fullnameOverride" $fullname) }}
{{- end }}
{{- $fullname }}
{{- end }}

{{- /* Name of the CronJob of jobs.NAME, (dict "root" $ "job" NAME). At most 52 characters: Kubernetes appends 11 to those of its Jobs. */}}
{{- define "affect.jobName" -}}
{{ include "affect.fullname" .root | trunc (int (sub 51 (len .job))) | trimSuffix "-" }}-{{ .job }}
{{- end }}

{{- /*
The services by name, as JSON for fromJson. Templates that render an object per service range over this list. Each service has:
  name, fullname   "speech", "affect-speech"
  peers, clients   the services it sends requests to, and those it receives requests from
  models           true if it loads models
  spec             services.NAME over defaults
  gpu, tls         true if its pods have GPUs; true if it serves TLS
  autoscaler       HorizontalPodAutoscaler, ScaledObject or empty
*/}}
{{- define "affect.services" -}}
{{- $root := . }}
{{- $services := dict
      "gateway" (dict "peers" (list "fusion"))
      "fusion" (dict "peers" (list "features" "speech" "face"))
      "features" (dict "peers" (list))
      "speech" (dict "peers" (list) "models" true)
      "face" (dict "peers" (list) "models" true) }}
{{- range $name, $service := $services }}
{{- $spec := mergeOverwrite (deepCopy $root.Values.defaults) (deepCopy (index $root.Values.services $name)) }}
{{- $scaling := $spec.autoscaling }}
{{- $queue := eq $scaling.metric "queue" }}
{{- if and $scaling.enabled $queue (not $service.models) }}
{{- fail (printf "services.%s.autoscaling.metric: queue is valid only for speech and face" $name) }}
{{- end }}
{{- if and $scaling.enabled (gt (int $scaling.minReplicas) (int $scaling.maxReplicas)) }}
{{- fail (printf "services.%s.autoscaling: minReplicas (%d) must not exceed maxReplicas (%d)" $name (int $scaling.minReplicas) (int $scaling.maxReplicas)) }}
{{- end }}
{{- $zero := "^0+%?$" }}
{{- if and (regexMatch $zero (toString $spec.rollout.maxSurge)) (regexMatch $zero (toString $spec.rollout.maxUnavailable)) }}
{{- fail (printf "services.%s.rollout: maxSurge and maxUnavailable must not both be 0; with maxSurge 0, set maxUnavailable to 1" $name) }}
{{- end }}
{{- $clients := list }}
{{- range $client, $other := $services }}
{{- if has $name $other.peers }}
{{- $clients = append $clients $client }}
{{- end }}
{{- end }}
{{- $autoscaler := ternary "ScaledObject" "HorizontalPodAutoscaler" (and $queue (eq $root.Values.queueScaling.through "keda")) }}
{{- $_ := set $service "name" $name }}
{{- $_ := set $service "fullname" (printf "%s-%s" (include "affect.fullname" $root) $name) }}
{{- $_ := set $service "clients" $clients }}
{{- $_ := set $service "spec" $spec }}
{{- $_ := set $service "gpu" (gt (int $spec.gpu.count) 0) }}
{{- $_ := set $service "tls" (ternary $root.Values.tls.gateway.enabled $root.Values.tls.internal.enabled (eq $name "gateway")) }}
{{- $_ := set $service "autoscaler" (ternary $autoscaler "" $scaling.enabled) }}
{{- end }}
{{- toJson $services }}
{{- end }}

{{- define "affect.releaseSelector" -}}
app.kubernetes.io/name: {{ include "affect.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- /* (dict "root" $ "component" NAME) */}}
{{- define "affect.selector" -}}
{{ include "affect.releaseSelector" .root }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- /*
Labels of a pod template, (dict "root" $ "component" NAME "labels" MORE). Without versions, so that an upgrade that changes only the
chart's version restarts no pod.
*/}}
{{- define "affect.podLabels" -}}
{{- $labels := merge (dict) (.labels | default dict) (.root.Values.commonLabels | default dict) (dict "app.kubernetes.io/part-of" "affect") }}
{{- range $label, $_ := $labels }}
{{- if regexMatch "^(app[.]kubernetes[.]io/(name|instance|component|version|managed-by)|helm[.]sh/chart)$" $label }}
{{- fail (printf "commonLabels, podLabels and telemetry.metrics.labels must not contain %s, which the chart sets" $label) }}
{{- end }}
{{- end }}
{{- include "affect.selector" . }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
{{ toYaml $labels }}
{{- end }}

{{- /* Labels of an object; the argument is that of affect.podLabels. */}}
{{- define "affect.labels" -}}
{{ include "affect.podLabels" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- /* (dict "root" $ "image" NAME "gpu" BOOL) */}}
{{- define "affect.image" -}}
{{- $image := .root.Values.image -}}
{{- if eq $image.tag "latest" }}
{{- fail "image.tag must be a version: latest does not identify an image" }}
{{- end }}
{{- $tag := printf "%s%s" ($image.tag | default .root.Chart.AppVersion) (ternary "-gpu" "" (default false .gpu)) -}}
image: {{ $image.repository }}/{{ .image }}:{{ $tag }}{{ with index $image.digests .image }}@{{ . }}{{ end }}
imagePullPolicy: {{ $image.pullPolicy }}
{{- end }}

{{- /* Fields that every pod spec has, (dict "root" $ "spec" VALUES). */}}
{{- define "affect.pod" -}}
serviceAccountName: {{ include "affect.fullname" .root }}
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
# The message of a container that failed: the end of its log, such as the list of invalid settings.
terminationMessagePolicy: FallbackToLogsOnError
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: { drop: [ALL] }
{{- end }}

{{- /* A Kubernetes quantity, such as 250m, 1.5 or 2Gi, as a number. */}}
{{- define "affect.quantity" -}}
{{- $number := regexFind "^[0-9.]+([eE][+-]?[0-9]+)?" (toString .) }}
{{- $units := dict "" 1 "n" 1e-9 "u" 1e-6 "m" 1e-3 "k" 1e3 "M" 1e6 "G" 1e9 "T" 1e12 "P" 1e15 "E" 1e18
      "Ki" 1024 "Mi" 1048576 "Gi" 1073741824 "Ti" 1099511627776 "Pi" 1125899906842624 "Ei" 1152921504606846976 }}
{{- mulf $number (index $units (toString . | trimPrefix $number)) }}
{{- end }}

{{- /* Requests and limits, including GPUs: (dict "spec" VALUES "path" "services.speech"). */}}
{{- define "affect.resources" -}}
{{- $resources := .spec.resources -}}
{{- $path := .path -}}
{{- range $name, $request := $resources.requests }}
{{- with index ($resources.limits | default dict) $name }}
{{- if lt (include "affect.quantity" . | float64) (include "affect.quantity" $request | float64) }}
{{- fail (printf "%s.resources: the limit of %s (%v) must not be below the request (%v)" $path $name . $request) }}
{{- end }}
{{- end }}
{{- end -}}
{{- $count := int .spec.gpu.count -}}
{{- $gpus := ternary (dict .spec.gpu.resource $count) (dict) (gt $count 0) -}}
resources:
  requests: {{ toJson $resources.requests }}
  limits: {{ toJson (merge $gpus $resources.limits) }}
{{- end }}

{{- /* Resources of containers that run the command line. */}}
{{- define "affect.cliResources" -}}
resources:
  requests: { cpu: 100m, memory: 64Mi }
  limits: { cpu: "1", memory: 256Mi }
{{- end }}

{{- /* Scales up without delay, and down by one pod at a time, because each removed pod moves its streams. */}}
{{- define "affect.scalingBehavior" -}}
scaleUp:
  stabilizationWindowSeconds: 0
  policies: [{ type: Percent, value: 100, periodSeconds: 30 }]
scaleDown:
  stabilizationWindowSeconds: {{ .scaleDownSeconds }}
  policies: [{ type: Pods, value: 1, periodSeconds: 120 }]
{{- end }}

{{- /* Name of the Secret with the certificate of a service, (dict "root" $ "service" SERVICE). */}}
{{- define "affect.internalSecret" -}}
{{ .root.Values.tls.internal.secretName | default (printf "%s-tls" .service.fullname) }}
{{- end }}

{{- define "affect.gatewaySecret" -}}
{{ .Values.tls.gateway.secretName | default (printf "%s-tls" (include "affect.fullname" .)) }}
{{- end }}

{{- define "affect.clientSecret" -}}
{{ .Values.client.keySecret | default (printf "%s-client-key" (include "affect.fullname" .)) }}
{{- end }}

{{- /* "true" if the chart creates the API key of its tests and batch jobs. */}}
{{- define "affect.createsClientKey" -}}
{{- if and .Values.gateway.requireApiKey (not .Values.client.keySecret) }}true{{ end }}
{{- end }}

{{- /* Secret with the keys that sign checkpoints of calls, as settings of fusion. */}}
{{- define "affect.checkpointSecret" -}}
{{ .Values.checkpoints.existingSecret | default (printf "%s-checkpoints" (include "affect.fullname" .)) }}
{{- end }}

{{- /*
Seconds between removal from the endpoints and SIGTERM, (dict "root" $ "spec" VALUES): clients resolve a name every 15 s, the cluster's
DNS cache may then answer with its last copy, and 10 s are a margin: until the DNS server knows, and for the least TTL of a second cache.
*/}}
{{- define "affect.preStopSeconds" -}}
{{ .spec.preStopSeconds | default (add 15 .root.Values.drain.dnsCacheSeconds 10) }}
{{- end }}

{{- /* Address and API key of the gateway, for containers that run the command line. */}}
{{- define "affect.clientEnv" -}}
- name: AFFECT_ADDRESS
  value: {{ ternary "https" "http" .Values.tls.gateway.enabled }}://{{ include "affect.fullname" . }}-gateway:8081
{{- if .Values.gateway.requireApiKey }}
- name: AFFECT_API_KEY
  valueFrom: { secretKeyRef: { name: {{ include "affect.clientSecret" . }}, key: key } }
{{- end }}
{{- if .Values.tls.gateway.enabled }}
# The authority that issued the gateway's certificate, in addition to those in the image.
- name: SSL_CERT_FILE
  value: /tls/ca.crt
{{- end }}
{{- end }}

{{- define "affect.daprAnnotations" -}}
dapr.io/enabled: "true"
dapr.io/app-id: {{ include "affect.fullname" . }}-gateway
dapr.io/app-port: "8080"
dapr.io/app-protocol: {{ ternary "https" "http" .Values.tls.gateway.enabled }}
dapr.io/app-token-secret: {{ .Values.dapr.appTokenSecret }}
# The pod has no service account token to read Secrets with; the Dapr operator reads those of components.
dapr.io/disable-builtin-k8s-secret-store: "true"
dapr.io/sidecar-seccomp-profile-type: RuntimeDefault
{{- end }}

{{- define "affect.dnsEgress" -}}
- ports: [{ port: 53, protocol: UDP }, { port: 53, protocol: TCP }]
  to: {{- toYaml .Values.networkPolicy.dns | nindent 4 }}
{{- end }}

{{- /* Fails if alerts and dashboard would query metrics that no service exports. */}}
{{- define "affect.requireMetrics" -}}
{{- if not (or .Values.telemetry.metrics.enabled .Values.telemetry.otlpEndpoint) }}
{{- fail "telemetry.metrics.alerts and telemetry.metrics.dashboard require telemetry.metrics.enabled or telemetry.otlpEndpoint" }}
{{- end }}
{{- end }}
