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
