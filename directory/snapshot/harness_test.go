package snapshot_test

import "usher/directory"

// good returns a small directory without faults.
func good() directory.Records {
	return directory.Records{
		Users: []directory.User{
			{Name: "pia", ServiceRoles: []directory.ServiceRole{directory.ServiceRoleIngest}, Keys: []directory.Key{
				{ID: "laptop", Digest: directory.DigestOf("pia-1")}, {Digest: directory.DigestOf("pia-2")},
			}},
			{Name: "carl", Keys: []directory.Key{{Digest: directory.DigestOf("carl")}}},
		},
		Projects: []directory.Project{
			{
				Name: "shop", Account: "APP",
				Members: []directory.Member{
					{User: "pia", Roles: []directory.Role{directory.RolePublisher}},
					{User: "carl", Roles: []directory.Role{directory.RoleConsumer, directory.RolePublisher}},
				},
				Topics:        []directory.Topic{{Name: "returns"}, {Name: "orders", ACL: []string{"pia", "carl"}}},
				Subscriptions: []directory.Subscription{{Name: "billing", Topic: "orders", ACL: []string{"carl"}}, {Name: "audit", Topic: "orders"}},
			},
			{
				Name: "lab", Account: "LAB",
				Members: []directory.Member{{User: "pia", Roles: []directory.Role{directory.RoleProjectAdmin}}},
				Topics:  []directory.Topic{{Name: "raw", Subject: "probe.raw"}},
			},
			{Name: "moon", Account: "OTHER"},
		},
	}
}
