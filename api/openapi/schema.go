package openapi

import (
	"encoding/json"
	"reflect"
	"strings"
	"time"

	"usher/api/wire"
)

// schema describes a type of package wire. It adds structs to schemas, and refers to them.
func schema(t reflect.Type, schemas object) object {
	switch {
	case t == reflect.TypeFor[time.Time]():
		return object{"type": "string", "format": "date-time"}
	case t == reflect.TypeFor[json.RawMessage]():
		return object{"type": "object"}
	}
	switch t.Kind() { //nolint:exhaustive // package wire uses no other kinds
	case reflect.Pointer:
		return schema(t.Elem(), schemas)
	case reflect.String:
		return object{"type": "string"}
	case reflect.Bool:
		return object{"type": "boolean"}
	case reflect.Int:
		return object{"type": "integer"}
	case reflect.Interface:
		return object{}
	case reflect.Map:
		return object{"type": "object", "additionalProperties": schema(t.Elem(), schemas)}
	case reflect.Slice:
		return object{"type": "array", "items": schema(t.Elem(), schemas)}
	case reflect.Struct:
		if _, ok := schemas[t.Name()]; !ok {
			s := object{"type": "object"}
			schemas[t.Name()] = s // before its fields, which may refer to it
			properties, required := object{}, []string{}
			addFields(t, properties, &required, schemas)
			s["properties"] = properties
			if len(required) > 0 && t != reflect.TypeFor[wire.PushConfig]() { // requests may omit fields of a PushConfig
				s["required"] = required
			}
		}
		return object{"$ref": "#/components/schemas/" + t.Name()}
	default:
		return object{"type": "object"}
	}
}

// addFields adds the fields of a struct, and those of embedded structs.
func addFields(t reflect.Type, properties object, required *[]string, schemas object) {
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.Anonymous && name == "" {
			addFields(f.Type, properties, required, schemas)
			continue
		}
		properties[name] = schema(f.Type, schemas)
		if options == "" {
			*required = append(*required, name)
		}
	}
}
