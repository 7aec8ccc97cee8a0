{{- /* Volumes of a service with their mount paths, (dict "root" $ "service" SERVICE). */}}
{{- define "affect.serviceVolumes" -}}
{{- $values := .root.Values -}}
{{- $service := .service -}}
{{- if and (eq $service.name "gateway") $service.tls }}
- path: /tls/public
  volume: { name: public-tls, secret: { secretName: {{ include "affect.gatewaySecret" .root }}, defaultMode: 0440 } }
{{- end }}
{{- if $values.tls.internal.enabled }}
- path: /tls/internal
  volume: { name: internal-tls, secret: { secretName: {{ include "affect.internalSecret" . }}, defaultMode: 0440 } }
{{- end }}
{{- if and $service.models (ne $values.models.source "image") }}
- path: /models
  volume: {{- include "affect.modelVolume" .root | nindent 4 }}
{{- end }}
{{- if and $service.gpu (eq $service.spec.gpu.provider "TensorRt") }}
- path: /cache
  writable: true
  volume: { name: cache, emptyDir: { sizeLimit: 4Gi } }
{{- end }}
{{- end }}

{{- /* The model repository, unless it is part of the image. */}}
{{- define "affect.modelVolume" -}}
{{- $models := .Values.models -}}
name: models
{{- if eq $models.source "claim" }}
persistentVolumeClaim: { claimName: {{ required "models.claim must name a PersistentVolumeClaim" $models.claim }}, readOnly: true }
{{- else if eq $models.source "oci" }}
{{- if semverCompare "<1.33.0-0" .Capabilities.KubeVersion.Version }}
{{- fail (printf "models.source: oci requires Kubernetes 1.33 or later with image volumes, not %s" .Capabilities.KubeVersion.Version) }}
{{- end }}
image:
  reference: {{ required "models.oci.reference must name an image" $models.oci.reference | quote }}
  pullPolicy: {{ $models.oci.pullPolicy }}
{{- else }}
emptyDir: { sizeLimit: 2Gi }
{{- end }}
{{- end }}

{{- /* Certificate of the private authority that issued the gateway's certificate; the private key is not mounted. */}}
{{- define "affect.authorityVolume" -}}
name: public-tls
secret:
  secretName: {{ include "affect.gatewaySecret" . }}
  items: [{ key: ca.crt, path: ca.crt }]
  optional: true
{{- end }}
