package charttest

import (
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
)

// Wrong values end the installation, with the place of the fault.
func TestWrongValues(t *testing.T) {
	for _, test := range []struct{ values, want string }{
		{"replicas: 3", "replicas"},
		{"deployment: {replicas: many}", "/deployment/replicas"},
		{"image: {repo: usher}", "repo"},
		{"push: {enabled: yes please}", "/push/enabled"},
		{"service: {patch: [{op: burn, path: /metadata}]}", "/service/patch/0/op"},
		{"service: {patch: [{op: remove, path: /spec/nothing}]}", `patch /spec/nothing: there is no "nothing"`},
		{"service: {patch: [{op: test, path: /kind, value: Secret}]}", "patch /kind: it is not the value of the test"},
		{"service: {patch: [{op: replace, path: /spec/ports/7, value: {}}]}", "patch /spec/ports/7: there is no item 7"},
		{"service: {patch: [{op: add, path: /spec/x}]}", "/service/patch/0"},
		{"service: {patch: [{op: move, path: /spec/x}]}", "/service/patch/0"},
		{"service: {patch: [{op: copy, from: /spec/ports/7, path: /spec/x}]}", `patch from /spec/ports/7: there is no "7"`},
		{"service: {patch: [{op: move, from: /spec, path: /spec/x}]}", "patch /spec/x: it is inside of what is moved, /spec"},
		{"bootstrap: {enabled: true}", "bootstrap.image.repository"},
		{"{bootstrap: {enabled: true, image: {repository: kubectl}}, config: {directory: {from: file}}}", "config.directory.from: kv"},
	} {
		if _, _, err := render(t, values(t, test.values)); err == nil || !strings.Contains(strings.ReplaceAll(err.Error(), `\"`, `"`), test.want) {
			t.Errorf("%s: %v, not %q", test.values, err, test.want)
		}
	}
}

// name, merge and patch work on every object, in this order.
func TestMergeAndPatch(t *testing.T) {
	_, objects, err := render(t, values(t, `
service:
  name: other
  merge: {metadata: {annotations: {a: b}}, spec: {type: NodePort}}
  patch:
    - {op: replace, path: /spec/ports/0/port, value: 80}
    - {op: add, path: /spec/ports/-, value: {name: more, port: 81}}
    - {op: add, path: /spec/ports/0, value: {name: first, port: 79}}
    - {op: add, path: /metadata/annotations/x~1y~0z, value: c}
    - {op: test, path: /spec/type, value: NodePort}
    - {op: remove, path: /spec/selector/app.kubernetes.io~1component}
    - {op: copy, from: /metadata/annotations/a, path: /metadata/annotations/copied}
    - {op: copy, from: /spec/ports/0, path: /spec/ports/-}
    - {op: replace, path: /spec/ports/3/port, value: 82}
    - {op: move, from: /spec/ports/3, path: /spec/ports/0}
    - {op: move, from: /metadata/annotations/x~1y~0z, path: /metadata/annotations/moved}
deployment:
  merge: {spec: {template: {spec: {priorityClassName: high}}}}
  patch: [{op: add, path: /spec/template/spec/containers/0/args/-, value: --more}]
`))
	if err != nil {
		t.Fatal(err)
	}
	s := object(t, "service", objects["service.yaml"]).(*corev1.Service)
	ports := []int32{}
	for _, p := range s.Spec.Ports {
		ports = append(ports, p.Port)
	}
	if s.Name != "other" || s.Annotations["a"] != "b" || s.Annotations["moved"] != "c" || s.Annotations["x/y~z"] != "" || s.Annotations["copied"] != "b" || s.Spec.Type != "NodePort" ||
		!slices.Equal(ports, []int32{82, 79, 80, 81}) || len(s.Spec.Selector) != 2 {
		t.Errorf("%s", objects["service.yaml"])
	}
	d := object(t, "deployment", objects["deployment.yaml"]).(*appsv1.Deployment)
	args := d.Spec.Template.Spec.Containers[0].Args
	if d.Spec.Template.Spec.PriorityClassName != "high" || args[len(args)-1] != "--more" {
		t.Errorf("%s", objects["deployment.yaml"])
	}
}

// A change of usher.yaml gives the pods another annotation, so that they are replaced.
func TestChecksum(t *testing.T) {
	sum := func(text string) string {
		_, objects, err := render(t, values(t, text))
		if err != nil {
			t.Fatal(err)
		}
		return object(t, "deployment", objects["deployment.yaml"]).(*appsv1.Deployment).Spec.Template.Annotations["checksum/config"]
	}
	if a, b := sum("{}"), sum("config: {log: {level: debug}}"); a == "" || a == b {
		t.Errorf("%q and %q", a, b)
	}
}
