package check

import (
	"bytes"
	"errors"
	"io"
	"os"
	"regexp"
	"slices"
	"strconv"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/util/yaml"
)

// manifest is what kubernetes.yaml holds, by type.
type manifest struct {
	deployment *appsv1.Deployment
	service    *corev1.Service
	config     *corev1.ConfigMap
	budget     *policyv1.PodDisruptionBudget
	network    *networkingv1.NetworkPolicy
	account    *corev1.ServiceAccount
	namespace  *corev1.Namespace
}

// readManifest decodes as an API server would that refuses fields which it does not know, or which stand there twice.
func readManifest(t *testing.T) manifest {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{appsv1.AddToScheme, corev1.AddToScheme, networkingv1.AddToScheme, policyv1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	decoder := serializer.NewCodecFactory(scheme, serializer.EnableStrict).UniversalDeserializer()
	text, err := os.ReadFile("../kubernetes.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var m manifest
	for documents := yaml.NewDocumentDecoder(io.NopCloser(bytes.NewReader(text))); ; {
		document := make([]byte, len(text))
		n, err := documents.Read(document)
		if errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		object, _, err := decoder.Decode(document[:n], nil, nil)
		if err != nil {
			t.Fatalf("%v in:\n%s", err, document[:n])
		}
		switch o := object.(type) {
		case *appsv1.Deployment:
			m.deployment = o
		case *corev1.Service:
			m.service = o
		case *corev1.ConfigMap:
			m.config = o
		case *policyv1.PodDisruptionBudget:
			m.budget = o
		case *networkingv1.NetworkPolicy:
			m.network = o
		case *corev1.ServiceAccount:
			m.account = o
		case *corev1.Namespace:
			m.namespace = o
		default:
			t.Errorf("a %T, of which this test knows nothing", object)
		}
	}
	if m.deployment == nil || m.service == nil || m.config == nil || m.budget == nil || m.network == nil || m.account == nil || m.namespace == nil {
		t.Fatalf("an object is missing: %+v", m)
	}
	return m
}

// A selector that matches nothing is no error to Kubernetes: the service has no pods, and nobody is told.
func TestSelectorsFindThePods(t *testing.T) {
	t.Parallel()
	m := readManifest(t)
	pod := m.deployment.Spec.Template
	for who, selector := range map[string]map[string]string{
		"the deployment": m.deployment.Spec.Selector.MatchLabels,
		"the service":    m.service.Spec.Selector,
		"the budget":     m.budget.Spec.Selector.MatchLabels,
		"the network":    m.network.Spec.PodSelector.MatchLabels,
		"the spread":     pod.Spec.TopologySpreadConstraints[0].LabelSelector.MatchLabels,
	} {
		if len(selector) == 0 || !labels.SelectorFromSet(selector).Matches(labels.Set(pod.Labels)) {
			t.Errorf("%s selects %v, and pods have %v", who, selector, pod.Labels)
		}
	}
	for who, namespace := range map[string]string{
		"deployment": m.deployment.Namespace, "service": m.service.Namespace, "config": m.config.Namespace,
		"budget": m.budget.Namespace, "network": m.network.Namespace, "account": m.account.Namespace,
	} {
		if namespace != m.namespace.Name {
			t.Errorf("the %s stands in %q", who, namespace)
		}
	}
	if pod.Spec.ServiceAccountName != m.account.Name {
		t.Errorf("pods run as %q, which is not there", pod.Spec.ServiceAccountName)
	}
	for _, from := range pod.Spec.Containers[0].EnvFrom {
		if from.ConfigMapRef == nil || from.ConfigMapRef.Name != m.config.Name {
			t.Errorf("the environment comes from %+v, which is not there", from)
		}
	}
}

func TestNamedPortsAreThereAndListenedOn(t *testing.T) {
	t.Parallel()
	m := readManifest(t)
	container := m.deployment.Spec.Template.Spec.Containers[0]
	ports := map[string]int32{}
	for _, port := range container.Ports {
		ports[port.Name] = port.ContainerPort
	}
	used := []string{
		container.StartupProbe.HTTPGet.Port.StrVal, container.LivenessProbe.HTTPGet.Port.StrVal, container.ReadinessProbe.HTTPGet.Port.StrVal,
		m.service.Spec.Ports[0].TargetPort.StrVal,
	}
	for _, rule := range m.network.Spec.Ingress {
		used = append(used, rule.Ports[0].Port.StrVal)
	}
	for _, name := range used {
		if ports[name] == 0 {
			t.Errorf("there is no port %q, of %v", name, ports)
		}
	}
	// A probe of loopback would never be answered.
	if want := ":" + strconv.Itoa(int(ports["admin"])); m.config.Data["ADMIN_ADDR"] != want {
		t.Errorf("ADMIN_ADDR is %q, and the probes look at %s", m.config.Data["ADMIN_ADDR"], want)
	}
}

// A pod that is killed before the program's own time is over loses tokens that wait to be stored.
func TestPodsHaveMoreTimeToStopThanTheProgramTakes(t *testing.T) {
	t.Parallel()
	main, err := os.ReadFile("../main.go")
	if err != nil {
		t.Fatal(err)
	}
	match := regexp.MustCompile(`stopTimeout = (\d+) \* time\.Second`).FindSubmatch(main)
	if match == nil {
		t.Fatal("main.go has no stopTimeout in seconds")
	}
	stop, err := strconv.ParseInt(string(match[1]), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	if grace := readManifest(t).deployment.Spec.Template.Spec.TerminationGracePeriodSeconds; grace == nil || *grace <= stop {
		t.Errorf("a pod has %v s to stop, and the program takes up to %d s", grace, stop)
	}
	for name, service := range readCompose(t).Services {
		if service.Image == "ghlogin-production" && (service.StopGracePeriod == nil || int64(time.Duration(*service.StopGracePeriod).Seconds()) <= stop) {
			t.Errorf("compose gives %s %v to stop, and the program takes up to %d s", name, service.StopGracePeriod, stop)
		}
	}
}

// What the namespace's own label asks for, the restricted standard, and no token for Kubernetes in a pod that needs none.
func TestPodsAreRestricted(t *testing.T) {
	t.Parallel()
	m := readManifest(t)
	pod := m.deployment.Spec.Template.Spec
	if c := pod.SecurityContext; !*c.RunAsNonRoot || *c.RunAsUser == 0 || c.SeccompProfile.Type != corev1.SeccompProfileTypeRuntimeDefault {
		t.Errorf("pods run as %+v", c)
	}
	for _, container := range pod.Containers {
		c := container.SecurityContext
		if *c.AllowPrivilegeEscalation || !*c.ReadOnlyRootFilesystem || !slices.Equal(c.Capabilities.Drop, []corev1.Capability{"ALL"}) || c.Capabilities.Add != nil {
			t.Errorf("%s runs as %+v", container.Name, c)
		}
	}
	if *pod.AutomountServiceAccountToken || *m.account.AutomountServiceAccountToken {
		t.Error("pods get a token for Kubernetes")
	}
}

// The token for Vault must stand where vault.Kubernetes of the library reads it.
func TestVaultsTokenStandsWhereItIsRead(t *testing.T) {
	t.Parallel()
	login, err := os.ReadFile("../../../store/vault/login.go")
	if err != nil {
		t.Fatal(err)
	}
	match := regexp.MustCompile(`KubernetesTokenFile = "([^"]+)"`).FindSubmatch(login)
	if match == nil {
		t.Fatal("store/vault names no file")
	}
	pod := readManifest(t).deployment.Spec.Template.Spec
	var files []string
	for _, mount := range pod.Containers[0].VolumeMounts {
		for _, volume := range pod.Volumes {
			if volume.Name != mount.Name || volume.Projected == nil {
				continue
			}
			for _, source := range volume.Projected.Sources {
				files = append(files, mount.MountPath+"/"+source.ServiceAccountToken.Path)
			}
		}
	}
	if !slices.Contains(files, string(match[1])) {
		t.Errorf("tokens stand at %q, not at %s", files, match[1])
	}
}
