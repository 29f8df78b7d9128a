package runbooks

// OnAPIServer are the commands that need no container, in the order in which one test tries them: in a cluster
// with the deployments "main", which violates the policy of the library for outposts, and "ak-outpost-main".
var OnAPIServer = []Trial{
	{Command: `kubectl shm policies`, Shows: `^authentik-proxy-outposts `},
	{Command: `kubectl shm policies POLICY`, Shows: `168h`},
	{Command: `kubectl shm size --files-per-minute 18 --retention 168h --file-size 1500`, Shows: `897Mi`},
	{Command: `kubectl shm size -p POLICY`, Shows: `897Mi`},
	{Command: `kubectl shm lint -f FILE`, Shows: `0 errors`},
	{Command: `kubectl apply -f manifests/policies/authentik-proxy-outposts.yaml`, Shows: `authentik-proxy-outposts created`},
	{Command: `kubectl get shmp POLICY -o yaml`, Shows: `matchedPods:`},
	{Command: `kubectl get shmp POLICY -o jsonpath='{.status.conditions[?(@.type=="SizeSufficient")].message}'`, Shows: `.`},
	{
		Command: `kubectl get shmp -o custom-columns='NAME:.metadata.name,ACCEPTED:.status.conditions[?(@.type=="Accepted")].status,WHY:.status.conditions[?(@.type=="Accepted")].message' | grep -v -e ' True '`,
		Shows:   `^invalid +False +.*is not a glob`,
	},
	{
		Command: `kubectl get shmp -o custom-columns='NAME:.metadata.name,SENT:.status.conditions[?(@.type=="MatchConditionCurrent")].reason,WHY:.status.conditions[?(@.type=="MatchConditionCurrent")].message'`,
		Shows:   `^wide +EveryPodSent +the webhooks are sent every Pod, since`,
	},
	{Command: `kubectl shm audit -n NAMESPACE -o wide`, Shows: `Deployment/main .*violating`},
	{Command: `kubectl shm audit -n NAMESPACE`, Shows: `unmatched`},
	{Command: `kubectl -n NAMESPACE get deployments,statefulsets,daemonsets -o yaml | kubectl shm review -f -`, Status: 1, Shows: `^Mutated +Deployment/\S+/ak-outpost-main`},
	{
		Command: `kubectl -n NAMESPACE get pod POD -o jsonpath='{range .spec.containers[*]}{.name} limit {.resources.limits.memory}{"\n"}{end}{range .spec.volumes[?(@.emptyDir.medium=="Memory")]}{.name} sizeLimit {.emptyDir.sizeLimit}{"\n"}{end}{range .status.containerStatuses[*]}{.name} restarts {.restartCount} {.lastState.terminated.reason}{"\n"}{end}'`,
		Shows:   `^proxy limit 256Mi\nshm sizeLimit 512Mi\nproxy restarts 3 OOMKilled$`,
	},
	{Command: `kubectl label namespace NAMESPACE shmkeeper.dev/mode=enforce`, Shows: `labeled`},
	{Command: `kubectl -n NAMESPACE rollout restart deployment/ak-outpost-NAME`, Shows: `restarted`},
	{Command: `kubectl -n NAMESPACE rollout restart deployment/NAME`, Shows: `restarted`},
	{
		Command: `kubectl get events -A --field-selector reason=FailedCreate --sort-by=.lastTimestamp -o custom-columns=NS:.metadata.namespace,OF:.involvedObject.name,MESSAGE:.message | grep -e SharedMemoryPolicy | tail -n 5`,
		Shows:   `main-\S+ .*violates SharedMemoryPolicy "authentik-proxy-outposts": container "proxy"`,
	},
	{Command: `kubectl get events -A --field-selector reason=FailedCreate`, Shows: `FailedCreate`},
	{Command: `kubectl label namespace NAMESPACE shmkeeper.dev/mode=warn --overwrite`, Shows: `labeled`},
	{Command: `kubectl label namespace NAMESPACE shmkeeper.dev/mode-`, Shows: `unlabeled`},
	{Command: `kubectl -n NAMESPACE delete pod POD`, Shows: `deleted`},
	{Command: `kubectl get pods -A -o wide | grep -v -e Running -e Completed`, Shows: `Pending`},
	{Command: `kubectl describe node NODE`, Shows: `Allocatable`},
	{Command: `kubectl get --raw /metrics | grep -e webhook_fail_open_count -e webhook_rejection_count | grep -e shmkeeper`, Shows: `fail_open_count.*shmkeeper`},
	{Command: `kubectl get --raw /metrics | grep -e webhook_rejection_count -e fail_open`, Shows: `webhook_rejection_count.*error_type=`},
	{
		Command: `kubectl get mutatingwebhookconfigurations,validatingwebhookconfigurations shmkeeper -o yaml --show-managed-fields | grep -e 'manager:' -e 'time:' -e 'operation:'`,
		Shows:   `manager: shmkeeper$`,
	},
	{
		Command: `kubectl get mutatingwebhookconfigurations,validatingwebhookconfigurations shmkeeper -o jsonpath='{range .items[*]}{.kind}{": "}{.webhooks[*].name}{"\n"}{end}'`,
		Shows:   `^MutatingWebhookConfiguration: mutate.pods.shmkeeper.dev`,
	},
	{Command: `kubectl -n shmkeeper-system get events --field-selector reportingComponent=shmkeeper --sort-by=.lastTimestamp | tail -n 10`, Shows: ` CA\w+ `},
	{Command: `kubectl -n shmkeeper-system get role,rolebinding shmkeeper-ca`, Shows: `rolebinding.\S+/shmkeeper-ca `},
	{Command: `kubectl -n shmkeeper-system rollout restart deployment/shmkeeper`, Shows: `restarted`},
}

// OnNode are the commands that need containers: an outpost whose /dev/shm, the runtime's own, is full, and the
// replicas of shmkeeper. They are in the order in which one test tries them.
var OnNode = []Trial{
	{Command: `kubectl shm top -A`, Shows: `100 %`},
	{Command: `kubectl shm top -A -o html`, Shows: `data-name="full in">full<`},
	{Command: `kubectl shm top -n NAMESPACE`, Shows: `100 %.* full `},
	{Command: `kubectl shm diagnose -n NAMESPACE POD`, Shows: `^CAUSE +/dev/shm \(the container runtime's own\) is full`},
	{
		Command: `kubectl -n NAMESPACE exec POD -- sh -c 'df -h /dev/shm; ls -A /dev/shm | wc -l; ls -lt /dev/shm | head -n 4; ls -lt /dev/shm | tail -n 3'`,
		Shows:   ` 100% /dev/shm\n\d{5}\n(.*\n)*.*session_`,
	},
	{Command: `kubectl -n NAMESPACE exec POD -- sh -c 'df -h /dev/shm; ls -A /dev/shm | wc -l'`, Shows: ` 100% /dev/shm\n\d{5}$`},
	{
		Command: `kubectl -n NAMESPACE exec POD -- sh -c 'df -h /dev/shm; ls -A /dev/shm | wc -l; cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory.current 2>/dev/null || true'`,
		Shows:   ` 100% /dev/shm\n\d{5}$`,
	},
	{Command: `kubectl -n NAMESPACE exec POD -- df -h`, Shows: ` 100% /dev/shm$`},
	{
		Command: `kubectl -n NAMESPACE exec POD -- sh -c 'ls -A /dev/shm | wc -l; sleep 60; ls -A /dev/shm | wc -l; df /dev/shm'`,
		Shows:   `^\d{5}\n\d{5}\n(.*\n)*.* 100% /dev/shm$`,
	},
	{
		Command: `kubectl -n NAMESPACE debug POD --image=busybox -c look -- sh -c 'df -h /dev/shm; ls -A /dev/shm | wc -l'`,
		Then:    `kubectl -n NAMESPACE logs POD -c look -f`,
		Shows:   ` 100% /dev/shm\n\d{5}$`,
	},
	{
		Command: `kubectl -n authentik logs -l goauthentik.io/outpost-type=proxy --prefix --since=15m --tail=-1 | grep -e 'no space left on device' | tail -n 3`,
		Shows:   `^\[pod/ak-outpost-\S+/proxy\] .*no space left on device`,
	},
	{Command: `kubectl -n NAMESPACE exec POD -- find /dev/shm -maxdepth 1 -name 'session_*' -size 0c -exec rm {} +`},
	{Command: `kubectl -n NAMESPACE exec POD -- find /dev/shm -maxdepth 1 -name 'session_*' -mtime +1 -exec rm {} +`},
	{Command: `kubectl -n NAMESPACE exec POD -- find /dev/shm -maxdepth 1 -type f -mmin +60 -exec rm {} +`},
	{Command: `kubectl -n shmkeeper-system get pods -o wide`, Shows: `^shmkeeper-\S+ .*Running`},
	{Command: `kubectl -n shmkeeper-system get events --sort-by=.lastTimestamp | tail -n 15`, Shows: `Started`},
	{
		Command: `kubectl -n shmkeeper-system get pods -o jsonpath='{range .items[*]}{.metadata.name} {.spec.nodeName} {.spec.containers[0].resources}{"\n"}{end}'`,
		Shows:   `^shmkeeper-\S+ node \{.*"memory"`,
	},
	{Command: `kubectl -n shmkeeper-system logs -l app.kubernetes.io/name=shmkeeper --prefix --since=15m --tail=-1 | grep -e 'failed to evaluate the request' | tail -n 5`},
	{Command: `kubectl -n shmkeeper-system logs -l app.kubernetes.io/name=shmkeeper --prefix --since=15m --tail=-1 | grep -e '"level":"ERROR"' -e '"level":"WARN"' | tail -n 10`},
	{Command: `kubectl -n shmkeeper-system logs -l app.kubernetes.io/name=shmkeeper --prefix --since=24h --tail=-1 | grep -e '"level":"ERROR"' -e '"level":"WARN"' | tail -n 5`},
	{Command: `kubectl -n shmkeeper-system logs REPLICA --since=15m | grep -e '"level":"ERROR"' -e '"level":"WARN"' | tail -n 10`},
	{
		Command: `kubectl -n shmkeeper-system port-forward deployment/shmkeeper 8081 &`, Then: `curl -sS localhost:8081/readyz?verbose`,
		Shows: `^\[\+\]`,
	},
	{Command: `kubectl -n shmkeeper-system delete pod REPLICA`, Shows: `deleted`},
}

// ByTests are the commands that a test tries in its own way, with its name.
var ByTests = map[string]string{
	`kubectl shm top -n authentik --interval 0`:                         "TestPlugin_FromAnswers400ToTheCause",
	`kubectl shm diagnose -n authentik POD`:                             "TestPlugin_FromAnswers400ToTheCause",
	`kubectl shm resize -n enlarged POD`:                                "TestResize_EnlargesAVolumeInPlace",
	`kubectl shm resize -n NAMESPACE POD`:                               "TestResize_EnlargesAVolumeInPlace",
	`kubectl shm resize -n NAMESPACE POD --dry-run=none`:                "TestResize_EnlargesAVolumeInPlace",
	`kubectl shm resize POD -n NAMESPACE --dry-run=none`:                "TestResize_EndsTheOOMLoop",
	`kubectl shm diagnose -n NAMESPACE POD --allow-ephemeral-container`: "TestPlugin_ImageWithoutShell",
}

// Untried are the commands that no test tries, with the reason.
var Untried = map[string]string{
	`kubectl -n shmkeeper-system top pods`:                                               "it needs the metrics server",
	`kubectl -n shmkeeper-system logs deployment/shmkeeper --previous`:                   "it needs a replica that has ended",
	`kubectl -n shmkeeper-system describe certificate shmkeeper-serving`:                 "it needs cert-manager",
	`cmctl renew -n shmkeeper-system shmkeeper-serving`:                                  "it needs cert-manager and its command line",
	`crictl inspectp SANDBOX | grep -e '"name"' -e '"namespace"' | head -n 2`:            "it needs crictl, on a node",
	`curl -sS -o /dev/null -w '%{http_code} %{remote_ip} %{time_total}\n' https://SITE/`: "it needs a site",
}
