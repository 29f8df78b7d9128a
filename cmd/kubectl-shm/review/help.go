package review

const help = `Shows what the webhook would do to each Pod, and to the Pods of each Deployment,
StatefulSet, DaemonSet, ReplicaSet, ReplicationController, Job and CronJob, in YAML or
JSON manifests. Pod templates in objects of other kinds, such as a RayCluster, are found
by their shape; one that cannot be read is named in a note. Lists are looked into, and
objects without a Pod are skipped and counted.

What cannot be read is left out and named, and everything else is reviewed. Kustomizations
and Helm charts are recognized: their patches, templates and values are not manifests and
are not read as such. A note names them; -k renders them.

The policies are those of -p; without it, those among the manifests; and if there are none
either, the built-in ones. The last line says whose they were. A Pod that no policy matches
is checked for mistakes that need no policy to be seen, which are notes, not violations.

LimitRanges among the manifests apply to the objects of their namespace. The webhook sees
a Pod with the limits and requests that they give it, and so does review: what it raises
it writes, even if the manifest names no limit. Of a ResourceQuota counts what its status
leaves of memory, or all of its spec.hard without a status; each object is evaluated as one
more Pod, without the other manifests. Namespaces give their objects their labels. A label
shmkeeper.dev/mode counts as it does in a cluster; a namespace without one is taken for one
labeled enforce. Autoscalers that see what is raised are named in a warning.

Outputs:
  report  a line for each object, below it what would happen and why
  table   a line for each object, with its figures and its place
  diff    the changed manifests as a unified diff, which patch -p0 takes
  yaml    all manifests, with the changes, for kubectl apply; what does not change stays
          as it is, byte for byte
  json    a list of {kind, namespace, name, template, outcome, policy, reason, detail,
          sizeLimit, patch, violations: [{id, reason, detail, container}], warnings, notes,
          version, tool, policies, apiVersion, file, line, mode, replicas, checks, before,
          after}; outcome is Mutated, Violating, Compliant, Exempt, Skipped or NotMatched.
          checks are the IDs of what is wrong with the object as it is written; before and
          after are {sizeLimitBytes, memoryLimitBytes, memoryRequestBytes} of one Pod, as it
          is and as it is changed in mode enforce, 0 for none. replicas is null if the
          manifest does not say how many Pods there will be. version is that of this format:
          keys may be added to it
  patch   a list of {apiVersion, kind, namespace, name, patch} of what changes; each patch
          is a JSON patch (RFC 6902), as kubectl patch --type=json takes it
  sarif   SARIF 2.1.0, for code scanning
  junit   JUnit's XML, a test case for each object
  github  workflow commands, which GitHub shows beside the lines
The report and the table leave out objects that no policy matches, unless --all is given.
With diff, yaml and patch, violations, warnings and notes go to standard error; with json
the notes on what is not reviewed.

With --against, which names other policies, only objects are shown of which they make
something else: with -o json a list of {version, tool, apiVersion, kind, namespace, name,
template, file, line, before, after}, the last two as above. What fails is then what would
be rejected and would not have been; with --fail-on changed any difference.

Exit status: 0 if nothing fails; 1 if something would be rejected, with --fail-on changed
also if something would be changed, and with --fail-on never for nothing; 2 for bad usage
and if something cannot be read. The rest is then reviewed all the same, but with -o yaml,
which would leave out manifests, standard output is empty.`

const helpExamples = `  # What would happen to this Pod, and why?
  kubectl shm review -f examples/incident-pod.yaml

  # What would change?
  kubectl shm review -f examples/incident-deployment.yaml -o diff

  # In a pipeline: the changed manifests, or exit status 1
  kubectl shm review -f - -o yaml < examples/incident-deployment.yaml

  # In a pipeline: what code scanning shows, for all manifests of a repository
  kubectl shm review -R -f examples -o sarif --fail-on never

  # Under a policy of one's own
  kubectl shm review -f examples/naive-repair.yaml -p examples/require-policy.yaml

  # Under one policy of the library, in a namespace that is only warned
  kubectl shm review -R -f examples -p authentik-proxy-outposts --namespace-labels shmkeeper.dev/mode=warn

  # What would a change of a policy change?
  kubectl shm review -f examples/naive-repair.yaml -p authentik-proxy-outposts --against hygiene

  # In a cluster that pulls ghcr.io/x/y as harbor.local/ghcr/x/y
  kubectl shm review -f examples/incident-pod.yaml --image-mirrors harbor.local/ghcr=ghcr.io`
