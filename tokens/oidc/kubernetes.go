package oidc

// kubernetes returns the facts about a service account, from the claim kubernetes.io: its
// namespace and name, and the pod and node that the token is bound to. The subject must
// say the same.
func kubernetes(claims map[string]any, subject string) (map[string]any, error) {
	about, _ := claims["kubernetes.io"].(map[string]any)
	namespace, _ := about["namespace"].(string)
	facts := map[string]any{"namespace": namespace}
	for _, object := range []struct{ claim, fact string }{
		{"serviceaccount", "service_account"}, {"pod", "pod"}, {"node", "node"},
	} {
		of, _ := about[object.claim].(map[string]any)
		for _, part := range []struct{ claim, suffix string }{{"name", ""}, {"uid", "_uid"}} {
			if s, ok := of[part.claim].(string); ok && s != "" {
				facts[object.fact+part.suffix] = s
			}
		}
	}
	name, _ := facts["service_account"].(string)
	if namespace == "" || name == "" || subject != "system:serviceaccount:"+namespace+":"+name {
		return nil, reject(CodeClaims, "the claims sub and kubernetes.io do not describe a service account")
	}
	return facts, nil
}
