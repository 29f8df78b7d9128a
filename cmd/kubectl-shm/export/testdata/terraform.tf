# Policy authentik-proxy-outposts for an outpost of type proxy: adds a Memory emptyDir of 897Mi and mounts it at /dev/shm in "proxy", raises the memory limit of "proxy" from 256Mi to 1420Mi and its request from 256Mi to 1153Mi.
# Each operation sets a whole field, so authentik can apply them again and again. If the
# configuration has other patches, of volumes say, join their values to these.
#
# config replaces all of the outpost's configuration: add what else it has.
variable "authentik_host" {
  type        = string
  description = "URL of authentik, as browsers reach it"
}

variable "outpost_providers" {
  type        = list(number)
  description = "IDs of the outpost's providers"
}

variable "outpost_service_connection" {
  type        = string
  description = "ID of the integration with the cluster, such as that of authentik_service_connection_kubernetes"
}

resource "authentik_outpost" "proxy" {
  name               = "proxy"
  type               = "proxy"
  protocol_providers = var.outpost_providers
  service_connection = var.outpost_service_connection

  config = jsonencode({
    authentik_host = var.authentik_host
    kubernetes_json_patches = {
      deployment = [
        {
          "op": "add",
          "path": "/spec/template/spec/volumes",
          "value": [
            {
              "name": "shmkeeper-shm",
              "emptyDir": {
                "medium": "Memory",
                "sizeLimit": "897Mi"
              }
            }
          ]
        },
        {
          "op": "add",
          "path": "/spec/template/spec/containers/0/volumeMounts",
          "value": [
            {
              "name": "shmkeeper-shm",
              "mountPath": "/dev/shm"
            }
          ]
        },
        {
          "op": "add",
          "path": "/spec/template/spec/containers/0/resources",
          "value": {
            "limits": {
              "memory": "1420Mi"
            },
            "requests": {
              "memory": "1153Mi"
            }
          }
        }
      ]
    }
  })
}
