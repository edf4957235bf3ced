/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * libvirt's status file of one running domain.
 */
#include <errno.h>
#include <expat.h>
#include <stdlib.h>
#include <string.h>

#include "util.h"
#include "vm_status.h"

/* What a hostile file can make us keep. */
#define MAX_DEPTH   64
#define MAX_VCPUS   8192
#define MAX_DEVICES 1024

/* The elements that matter, each at its one place: metadata may hold anything. */
enum node {
	DOCUMENT,
	STATUS,
	VCPUS,
	VCPU,
	DOMAIN,
	NAME,
	UUID,
	DEVICES,
	DISK,
	DISK_SOURCE,
	DISK_TARGET,
	INTERFACE,
	INTERFACE_TARGET,
	OTHER,
};

static const struct {
	enum node parent;
	const char *name;
	enum node node;
} grammar[] = {
	{DOCUMENT, "domstatus", STATUS},
	{STATUS, "vcpus", VCPUS},
	{VCPUS, "vcpu", VCPU},
	{STATUS, "domain", DOMAIN},
	{DOMAIN, "name", NAME},
	{DOMAIN, "uuid", UUID},
	{DOMAIN, "devices", DEVICES},
	{DEVICES, "disk", DISK},
	{DISK, "source", DISK_SOURCE},
	{DISK, "target", DISK_TARGET},
	{DEVICES, "interface", INTERFACE},
	{INTERFACE, "target", INTERFACE_TARGET},
};

struct reader {
	XML_Parser parser;
	struct vm_status *status;
	enum node stack[MAX_DEPTH];
	size_t depth;
	bool refused;
	char text[VM_NAME_MAX + 4]; /* of the element that is open, a little more than is kept */
	size_t text_len;
	struct vm_disk disk; /* that is open */
	bool interface;	     /* the one that is open is one of the host's */
};

static void refuse(struct reader *reader)
{
	reader->refused = true;
	XML_StopParser(reader->parser, XML_FALSE);
}

static struct vm_span attribute(const char **attributes, const char *name)
{
	for (; *attributes; attributes += 2)
		if (!strcmp(attributes[0], name))
			return vm_span__of(attributes[1]);
	return vm_span__of(NULL);
}

static void add_vcpu(struct vm_status *status, const char **attributes)
{
	uint64_t id, tid;

	if (status->n_vcpus == MAX_VCPUS ||
	    !vm_span__uint(attribute(attributes, "id"), INT32_MAX, &id) ||
	    !vm_span__uint(attribute(attributes, "pid"), INT32_MAX, &tid) || !tid)
		return;
	status->vcpus = xreallocarray(status->vcpus, status->n_vcpus + 1, sizeof(*status->vcpus));
	status->vcpus[status->n_vcpus++] = (struct vm_vcpu){.id = (int)id, .tid = (pid_t)tid};
}

static void add_nic(struct vm_status *status, struct vm_span name)
{
	struct vm_nic *nic;

	if (status->n_nics == MAX_DEVICES || !name.len)
		return;
	status->nics = xreallocarray(status->nics, status->n_nics + 1, sizeof(*status->nics));
	nic = &status->nics[status->n_nics++];
	vm_span__copy(nic->name, sizeof(nic->name), name);
}

static void add_disk(struct vm_status *status, const struct vm_disk *disk)
{
	if (status->n_disks == MAX_DEVICES || !*disk->source)
		return;
	status->disks = xreallocarray(status->disks, status->n_disks + 1, sizeof(*status->disks));
	status->disks[status->n_disks++] = *disk;
}

/* A file, a device, or what there is instead: rbd:pool/image, volume:pool/image. */
static void set_source(struct vm_disk *disk, const char **attributes)
{
	static const char *const paths[] = {"file", "dev", "path", "dir"};
	struct vm_span kind = attribute(attributes, "protocol");
	struct vm_span name = attribute(attributes, "name");
	size_t i, n;

	for (i = 0; i < ARRAY_SIZE(paths); i++) {
		struct vm_span path = attribute(attributes, paths[i]);

		if (path.len) {
			vm_span__copy(disk->source, sizeof(disk->source), path);
			return;
		}
	}
	if (!kind.len) {
		kind = attribute(attributes, "pool");
		name = attribute(attributes, "volume");
	}
	if (!kind.len || !name.len)
		return;
	n = vm_span__copy(disk->source, 64, kind);
	disk->source[n++] = ':';
	vm_span__copy(disk->source + n, sizeof(disk->source) - n, name);
}

/* Types whose target is no network device of this host, or one that the VM's packets do not pass.
 */
static bool has_host_interface(struct vm_span type)
{
	static const char *const none[] = {"vhostuser", "hostdev", "user", "vdpa", "null", "vds"};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(none); i++)
		if (vm_span__is(type, none[i]))
			return false;
	return true;
}

static enum node find_node(enum node parent, const char *name)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(grammar); i++)
		if (grammar[i].parent == parent && !strcmp(grammar[i].name, name))
			return grammar[i].node;
	return OTHER;
}

static void XMLCALL start_element(void *data, const char *name, const char **attributes)
{
	struct reader *reader = data;
	struct vm_status *status = reader->status;
	enum node parent = reader->depth ? reader->stack[reader->depth - 1] : DOCUMENT;
	enum node node = find_node(parent, name);
	uint64_t pid;

	if (reader->refused) /* expat may finish an element after it was stopped */
		return;
	if (reader->depth == MAX_DEPTH || (!reader->depth && node != STATUS)) {
		refuse(reader);
		return;
	}
	reader->stack[reader->depth++] = node;
	reader->text_len = 0;
	switch (node) {
	case STATUS:
		if (vm_span__uint(attribute(attributes, "pid"), INT32_MAX, &pid))
			status->pid = (pid_t)pid;
		break;
	case VCPU:
		add_vcpu(status, attributes);
		break;
	case DISK:
		memset(&reader->disk, 0, sizeof(reader->disk));
		break;
	case DISK_SOURCE:
		set_source(&reader->disk, attributes);
		break;
	case DISK_TARGET:
		vm_span__copy(reader->disk.target, sizeof(reader->disk.target),
			      attribute(attributes, "dev"));
		break;
	case INTERFACE:
		reader->interface = has_host_interface(attribute(attributes, "type"));
		break;
	case INTERFACE_TARGET:
		if (reader->interface)
			add_nic(status, attribute(attributes, "dev"));
		break;
	default:
		break;
	}
}

static void XMLCALL end_element(void *data, const char *name)
{
	struct reader *reader = data;
	struct vm_status *status = reader->status;
	struct vm_span text = {reader->text, reader->text_len};

	(void)name;
	if (reader->refused)
		return;
	switch (reader->stack[--reader->depth]) {
	case NAME:
		vm_span__copy(status->name, sizeof(status->name), text);
		break;
	case UUID:
		vm_span__uuid(status->uuid, text);
		break;
	case DISK:
		add_disk(status, &reader->disk);
		break;
	default:
		break;
	}
}

static void XMLCALL character_data(void *data, const char *text, int len)
{
	struct reader *reader = data;
	size_t space = sizeof(reader->text) - reader->text_len;
	size_t n = (size_t)len < space ? (size_t)len : space;

	memcpy(reader->text + reader->text_len, text, n);
	reader->text_len += n;
}

/* libvirt writes no document type, and where there is none there are no entities. */
static void XMLCALL start_doctype(void *data, const char *name, const char *sysid,
				  const char *pubid, int has_internal_subset)
{
	(void)name;
	(void)sysid;
	(void)pubid;
	(void)has_internal_subset;
	refuse(data);
}

int vm_status__parse(struct vm_span xml, struct vm_status *ret)
{
	struct reader reader = {.status = ret};
	enum XML_Status result;
	int err = 0;

	memset(ret, 0, sizeof(*ret));
	if (xml.len > VM_STATUS_MAX)
		return -EFBIG;
	reader.parser = XML_ParserCreate("UTF-8");
	if (!reader.parser)
		abort();
	XML_SetUserData(reader.parser, &reader);
	XML_SetElementHandler(reader.parser, start_element, end_element);
	XML_SetCharacterDataHandler(reader.parser, character_data);
	XML_SetStartDoctypeDeclHandler(reader.parser, start_doctype);
	result = XML_Parse(reader.parser, xml.s, (int)xml.len, XML_TRUE);
	if (XML_GetErrorCode(reader.parser) == XML_ERROR_NO_MEMORY)
		abort();
	if (result != XML_STATUS_OK || reader.refused || ret->pid <= 0 || !*ret->name) {
		vm_status__clear(ret);
		err = -EINVAL;
	}
	XML_ParserFree(reader.parser);
	return err;
}

void vm_status__clear(struct vm_status *status)
{
	free(status->vcpus);
	free(status->nics);
	free(status->disks);
	memset(status, 0, sizeof(*status));
}
