{{- /* What a service mounts, and where; the argument is that of affect.serviceSettings. */}}
{{- define "affect.serviceVolumes" -}}
{{- $values := .root.Values -}}
{{- if and (eq .service "gateway") .tls }}
- path: /tls/public
  volume: { name: public-tls, secret: { secretName: {{ include "affect.gatewaySecret" .root }}, defaultMode: 0440 } }
{{- end }}
{{- if $values.tls.internal.enabled }}
- path: /tls/internal
  volume: { name: internal-tls, secret: { secretName: {{ include "affect.internalSecret" . }}, defaultMode: 0440 } }
{{- end }}
{{- if and .facts.models (ne $values.models.source "image") }}
- path: /models
  volume: {{- include "affect.modelVolume" .root | nindent 4 }}
{{- end }}
{{- if and .gpu (eq .spec.gpu.provider "TensorRt") }}
- path: /cache
  writable: true
  volume: { name: cache, emptyDir: { sizeLimit: 4Gi } }
{{- end }}
{{- end }}

{{- /* The model repository, where it is not the image's own. */}}
{{- define "affect.modelVolume" -}}
{{- $models := .Values.models -}}
name: models
{{- if eq $models.source "claim" }}
persistentVolumeClaim: { claimName: {{ required "models.claim names the PersistentVolumeClaim" $models.claim }}, readOnly: true }
{{- else if eq $models.source "oci" }}
image: { reference: {{ required "models.oci.reference names the image" $models.oci.reference | quote }}, pullPolicy: {{ $models.oci.pullPolicy }} }
{{- else }}
emptyDir: { sizeLimit: 2Gi }
{{- end }}
{{- end }}

{{- /* The authority of the gateway's certificate, where it is the operator's own; its key stays where it is. */}}
{{- define "affect.authorityVolume" -}}
name: public-tls
secret:
  secretName: {{ include "affect.gatewaySecret" . }}
  items: [{ key: ca.crt, path: ca.crt }]
  optional: true
{{- end }}
