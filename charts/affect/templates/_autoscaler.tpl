{{- /* (dict "root" $ "service" NAME "spec" services.NAME.autoscaling "labels" … "queue" BOOL) */}}
{{- define "affect.autoscaler" }}
{{- $target := printf "%s-%s" (include "affect.name" .root) .service }}
{{- $keda := and .queue (eq .root.Values.queueScaling.through "keda") }}
{{- $behavior := include "affect.scaling" .spec }}
{{- if $keda }}
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata:
  name: {{ $target }}
  labels: {{- include "affect.labels" .labels | nindent 4 }}
spec:
  scaleTargetRef: { name: {{ $target }} }
  minReplicaCount: {{ .spec.minReplicas }}
  maxReplicaCount: {{ .spec.maxReplicas }}
  pollingInterval: 15
  advanced:
    horizontalPodAutoscalerConfig:
      behavior: {{- $behavior | nindent 8 }}
  triggers:
    - type: prometheus
      # A time is what it is, however many pods there are.
      metricType: Value
      metadata:
        serverAddress: {{ .root.Values.queueScaling.prometheus }}
        # Without traffic the quantile is NaN, which is not above 0.
        query: (histogram_quantile(0.9, sum by (le) (rate(affect_inference_queue_duration_seconds_bucket{job="affect-{{ .service }}"}[1m]))) > 0) or vector(0)
        threshold: {{ .spec.queueSeconds | quote }}
{{- else }}
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  name: {{ $target }}
  labels: {{- include "affect.labels" .labels | nindent 4 }}
spec:
  scaleTargetRef: { apiVersion: apps/v1, kind: Deployment, name: {{ $target }} }
  minReplicas: {{ .spec.minReplicas }}
  maxReplicas: {{ .spec.maxReplicas }}
  behavior: {{- $behavior | nindent 4 }}
  metrics:
    {{- if .queue }}
    - type: External
      external:
        metric:
          name: affect_queue_seconds
          selector: { matchLabels: { service: {{ .service }} } }
        target: { type: Value, value: {{ .spec.queueSeconds | quote }} }
    {{- else }}
    - type: Resource
      resource:
        name: cpu
        target: { type: Utilization, averageUtilization: {{ .spec.cpuPercent }} }
    {{- end }}
{{- end }}
{{- end }}

{{- /* Up as fast as need be; down one pod at a time, for its streams have to move each time. */}}
{{- define "affect.scaling" -}}
scaleUp:
  stabilizationWindowSeconds: 0
  policies: [{ type: Percent, value: 100, periodSeconds: 30 }]
scaleDown:
  stabilizationWindowSeconds: {{ .scaleDownSeconds }}
  policies: [{ type: Pods, value: 1, periodSeconds: 120 }]
{{- end }}
