/* SPDX-License-Identifier: ISC */
/*
 * One table says which layers a role gets; below it the layers, for Linux
 * and for OpenBSD.
 *
 * The system call filters: soap and keys are pure computation once they are
 * set up, so they get an allow list.  The others use libtls, a resolver or
 * Berkeley DB, whose calls vary with version and architecture; a list of what
 * they need would rot, so they get a list of what no mail daemon needs.  What
 * is not allowed fails with an error instead of killing: a library that
 * probes for a file then goes on without it, as it would in an empty chroot,
 * and the attempt gains as little.
 */
#include "compat.h"

#include <sys/resource.h>

#include <errno.h>
#include <stdio.h>

#include "log.h"
#include "sandbox.h"

enum sb_fs { FS_NONE, FS_OWN };			/* nothing, or below "." */
enum sb_calls { CALLS_COMPUTE, CALLS_ACCEPT, CALLS_CONNECT, CALLS_STORE };

static const struct sb_role {
	enum sb_fs	 fs;
	enum sb_calls	 calls;
	const char	*pledge;
} sb_roles[P_MAX] = {
	[P_CONTROL]	= { FS_NONE, CALLS_ACCEPT, "stdio unix recvfd sendfd" },
	[P_FRONTEND]	= { FS_NONE, CALLS_ACCEPT, "stdio inet recvfd sendfd" },
	[P_SOAP]	= { FS_NONE, CALLS_COMPUTE, "stdio recvfd sendfd" },
	[P_KEYS]	= { FS_NONE, CALLS_COMPUTE, "stdio recvfd sendfd" },
	[P_RELAY]	= { FS_NONE, CALLS_CONNECT, "stdio inet dns recvfd sendfd" },
	[P_QUEUE]	= { FS_OWN, CALLS_STORE,
			    "stdio rpath wpath cpath fattr flock recvfd sendfd" },
	[P_LOCAL]	= { FS_OWN, CALLS_STORE,
			    "stdio rpath wpath cpath fattr flock recvfd sendfd" },
};

static int	 sandbox_rlimits(const struct sb_role *);
static int	 sandbox_fs(const struct sb_role *, const char *, int *abi);
static int	 sandbox_calls(const struct sb_role *);
static int	 sandbox_noprivs(void);
static int	 sandbox_nodump(void);
static void	 sandbox_note(struct sandbox *, int layer, int result);

static int
sandbox_rlimits(const struct sb_role *role)
{
	const struct rlimit	 zero = { 0, 0 };

	if (setrlimit(RLIMIT_CORE, &zero) == -1)
		return -1;
	/* anonymous files count, too, where payloads are spilled into them */
	(void)role;
	return 0;
}

#ifdef __linux__

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <fcntl.h>
#include <seccomp.h>

#if defined(__SANITIZE_ADDRESS__)
#define SB_ASAN		1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SB_ASAN		1
#endif
#endif

/*
 * The Landlock ABI, defined here because Debian 12's header ends at its own
 * kernel's version; see landlock(7) and the kernel's landlock.rst.
 */
#ifndef __NR_landlock_create_ruleset
#define __NR_landlock_create_ruleset	444
#define __NR_landlock_add_rule		445
#define __NR_landlock_restrict_self	446
#endif
#define LL_VERSION	(1U << 0)
#define LL_RULE_PATH	1
#define LL_FS_EXECUTE	(1ULL << 0)
#define LL_FS_ALL_V1	((1ULL << 13) - 1)
#define LL_FS_REFER	(1ULL << 13)		/* ABI 2 */
#define LL_FS_TRUNCATE	(1ULL << 14)		/* ABI 3 */
#define LL_FS_IOCTL	(1ULL << 15)		/* ABI 5 */
#define LL_NET_BOTH	3ULL			/* ABI 4: bind, connect */
#define LL_SCOPE_BOTH	3ULL			/* ABI 6: abstract unix, signals */

struct ll_ruleset {
	uint64_t	 fs, net, scope;
};
struct ll_path {
	uint64_t	 allowed;
	int32_t		 fd;
} __attribute__((packed));

static int	 landlock_rule(int, const char *, uint64_t);
static int	 calls_deny(scmp_filter_ctx, const int *, size_t);
static scmp_filter_ctx calls_compute(void);
static scmp_filter_ctx calls_open(enum sb_calls);

/* Everything but to execute, below dir. */
static int
landlock_rule(int rs, const char *dir, uint64_t handled)
{
	struct ll_path	 rule;
	int		 ret;

	rule.allowed = handled & ~LL_FS_EXECUTE;
	if ((rule.fd = open(dir, O_PATH | O_CLOEXEC | O_DIRECTORY)) == -1)
		return -1;
	ret = (int)syscall(__NR_landlock_add_rule, rs, LL_RULE_PATH, &rule, 0);
	close(rule.fd);
	return ret;
}

static int
sandbox_fs(const struct sb_role *role, const char *dir, int *abi_used)
{
	struct ll_ruleset	 attr;
	long			 abi;
	size_t			 size;
	int			 rs, ret = -1;

	abi = syscall(__NR_landlock_create_ruleset, NULL, 0, LL_VERSION);
	if (abi < 1)
		return -1;
	memset(&attr, 0, sizeof(attr));
	attr.fs = LL_FS_ALL_V1;
	if (abi >= 2)
		attr.fs |= LL_FS_REFER;
	if (abi >= 3)
		attr.fs |= LL_FS_TRUNCATE;
	if (abi >= 5)
		attr.fs |= LL_FS_IOCTL;
	if (abi >= 4 && role->calls != CALLS_CONNECT)
		attr.net = LL_NET_BOTH;
	if (abi >= 6)
		attr.scope = LL_SCOPE_BOTH;
	size = abi >= 6 ? sizeof(attr) : abi >= 4 ? 16 : 8;
	rs = (int)syscall(__NR_landlock_create_ruleset, &attr, size, 0);
	if (rs == -1)
		return -1;
	if ((role->fs == FS_NONE || dir == NULL ||
	    landlock_rule(rs, dir, attr.fs) == 0) &&
	    syscall(__NR_landlock_restrict_self, rs, 0) == 0) {
		*abi_used = (int)abi;
		ret = 0;
	}
	close(rs);
	return ret;
}

/* What neither a mail daemon nor a library in it has any use for. */
static const int calls_never[] = {
	SCMP_SYS(execve), SCMP_SYS(execveat), SCMP_SYS(ptrace),
	SCMP_SYS(process_vm_readv), SCMP_SYS(process_vm_writev),
	SCMP_SYS(mount), SCMP_SYS(umount2), SCMP_SYS(pivot_root),
	SCMP_SYS(chroot), SCMP_SYS(setns), SCMP_SYS(unshare), SCMP_SYS(bpf),
	SCMP_SYS(perf_event_open), SCMP_SYS(userfaultfd),
	SCMP_SYS(io_uring_setup), SCMP_SYS(io_uring_enter),
	SCMP_SYS(io_uring_register), SCMP_SYS(keyctl), SCMP_SYS(add_key),
	SCMP_SYS(request_key), SCMP_SYS(init_module),
	SCMP_SYS(finit_module), SCMP_SYS(delete_module),
	SCMP_SYS(kexec_load), SCMP_SYS(reboot), SCMP_SYS(swapon),
	SCMP_SYS(swapoff), SCMP_SYS(acct), SCMP_SYS(settimeofday),
	SCMP_SYS(clock_settime), SCMP_SYS(sethostname),
	SCMP_SYS(setdomainname), SCMP_SYS(iopl), SCMP_SYS(ioperm),
	SCMP_SYS(mknod), SCMP_SYS(mknodat), SCMP_SYS(open_by_handle_at),
	SCMP_SYS(name_to_handle_at), SCMP_SYS(fork), SCMP_SYS(vfork),
	SCMP_SYS(setuid), SCMP_SYS(setgid), SCMP_SYS(setreuid),
	SCMP_SYS(setregid), SCMP_SYS(setresuid), SCMP_SYS(setresgid),
	SCMP_SYS(setgroups), SCMP_SYS(capset), SCMP_SYS(personality),
	SCMP_SYS(quotactl), SCMP_SYS(pidfd_getfd), SCMP_SYS(kcmp),
};

static const int calls_nosocket[] = {
	SCMP_SYS(socket), SCMP_SYS(connect), SCMP_SYS(bind), SCMP_SYS(listen),
};

static int
calls_deny(scmp_filter_ctx ctx, const int *list, size_t n)
{
	size_t	 i;

	for (i = 0; i < n; i++)
		if (list[i] >= 0 && seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM),
		    list[i], 0) != 0)
			return -1;
	return 0;
}

/* The deny list, by what the role does with sockets. */
static scmp_filter_ctx
calls_open(enum sb_calls calls)
{
	scmp_filter_ctx	 ctx;
	unsigned int	 af;

	if ((ctx = seccomp_init(SCMP_ACT_ALLOW)) == NULL)
		return NULL;
	if (calls_deny(ctx, calls_never, nitems(calls_never)) == -1)
		goto err;
	if (calls != CALLS_CONNECT) {
		if (calls_deny(ctx, calls_nosocket, nitems(calls_nosocket)) ==
		    -1)
			goto err;
	} else {
		/* families other than INET and INET6, but UNIX for syslog */
		for (af = 0; af < 64; af++)
			if (af != AF_INET && af != AF_INET6 &&
			    seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EAFNOSUPPORT),
			    SCMP_SYS(socket), 1, SCMP_A0(SCMP_CMP_EQ, af, 0)) != 0)
				goto err;
		if (seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM),
		    SCMP_SYS(listen), 0) != 0)
			goto err;
	}
	return ctx;
err:
	seccomp_release(ctx);
	return NULL;
}

/* The allow list of a process that only computes and talks on its channels. */
static scmp_filter_ctx
calls_compute(void)
{
	static const int allow[] = {
		SCMP_SYS(read), SCMP_SYS(write), SCMP_SYS(readv),
		SCMP_SYS(writev), SCMP_SYS(pread64), SCMP_SYS(sendmsg),
		SCMP_SYS(recvmsg), SCMP_SYS(sendto), SCMP_SYS(recvfrom),
		SCMP_SYS(close), SCMP_SYS(shutdown), SCMP_SYS(fstat),
		SCMP_SYS(lseek), SCMP_SYS(brk), SCMP_SYS(mmap),
		SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise),
		SCMP_SYS(mlock), SCMP_SYS(munlock), SCMP_SYS(getpid),
		SCMP_SYS(gettid), SCMP_SYS(getuid), SCMP_SYS(geteuid),
		SCMP_SYS(getrandom), SCMP_SYS(futex), SCMP_SYS(sched_yield),
		SCMP_SYS(clock_gettime), SCMP_SYS(clock_nanosleep),
		SCMP_SYS(nanosleep), SCMP_SYS(gettimeofday),
		SCMP_SYS(epoll_wait), SCMP_SYS(epoll_pwait),
		SCMP_SYS(epoll_pwait2), SCMP_SYS(epoll_ctl), SCMP_SYS(poll),
		SCMP_SYS(ppoll), SCMP_SYS(memfd_create), SCMP_SYS(fcntl),
		SCMP_SYS(rt_sigreturn), SCMP_SYS(rt_sigprocmask),
		SCMP_SYS(rt_sigaction), SCMP_SYS(restart_syscall),
		SCMP_SYS(rseq), SCMP_SYS(set_robust_list), SCMP_SYS(tgkill),
		SCMP_SYS(exit), SCMP_SYS(exit_group),
	};
	scmp_filter_ctx	 ctx;
	size_t		 i;

	if ((ctx = seccomp_init(SCMP_ACT_ERRNO(EPERM))) == NULL)
		return NULL;
	for (i = 0; i < nitems(allow); i++)
		if (seccomp_rule_add(ctx, SCMP_ACT_ALLOW, allow[i], 0) != 0)
			goto err;
	/* memory that can be written is never executed */
	if (seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1,
	    SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)) == 0)
		return ctx;
err:
	seccomp_release(ctx);
	return NULL;
}

static int
sandbox_calls(const struct sb_role *role)
{
	scmp_filter_ctx	 ctx;
	int		 ret = -1;

#ifdef SB_ASAN
	/* The sanitizer's run time needs calls of its own. */
	ctx = calls_open(role->calls);
#else
	ctx = role->calls == CALLS_COMPUTE ? calls_compute() :
	    calls_open(role->calls);
#endif
	if (ctx == NULL)
		return -1;
	/* keys has a worker thread by now: the filter must cover it */
	if (seccomp_attr_set(ctx, SCMP_FLTATR_CTL_TSYNC, 1) == 0 &&
	    seccomp_load(ctx) == 0)
		ret = 0;
	seccomp_release(ctx);
	return ret;
}

static int
sandbox_noprivs(void)
{
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

static int
sandbox_nodump(void)
{
	return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

#elif defined(__OpenBSD__)

static int
sandbox_fs(const struct sb_role *role, const char *dir, int *abi)
{
	(void)abi;
	if (role->fs == FS_OWN && dir != NULL && unveil(dir, "rwc") == -1)
		return -1;
	if (role->fs == FS_NONE && unveil("/", "") == -1)
		return -1;
	return unveil(NULL, NULL);
}

static int
sandbox_calls(const struct sb_role *role)
{
	return pledge(role->pledge, "");
}

/* Both are the system's: exec leaves pledge(2), but none is ever promised. */
static int
sandbox_noprivs(void)
{
	return 0;
}

static int
sandbox_nodump(void)
{
	return 0;
}

#else
#error "no sandbox for this system"
#endif

static void
sandbox_note(struct sandbox *sb, int layer, int result)
{
	if (result == 0)
		sb->applied |= layer;
	else
		sb->missing |= layer;
}

void
sandbox_enter(enum proc_id id, const char *dir, struct sandbox *sb)
{
	const struct sb_role	*role = &sb_roles[id];

	sandbox_note(sb, SB_NOPRIVS, sandbox_noprivs());
	sandbox_note(sb, SB_NODUMP, sandbox_nodump());
	sandbox_note(sb, SB_LIMITS, sandbox_rlimits(role));
	/* The parent has no row: what it gave up its children could not have. */
	if (id == P_PARENT)
		return;
	sandbox_note(sb, SB_FS, sandbox_fs(role, dir, &sb->abi));
	sandbox_note(sb, SB_SYSCALL, sandbox_calls(role));
}

char *
sandbox_str(int mask, char *buf, size_t size)
{
	static const struct {
		int		 bit;
		const char	*name;
	} names[] = {
		{ SB_NOPRIVS,	"no-new-privs" },
		{ SB_NODUMP,	"no-dump" },
		{ SB_LIMITS,	"rlimits" },
		{ SB_CHROOT,	"chroot" },
		{ SB_UID,	"uid" },
#ifdef __OpenBSD__
		{ SB_FS,	"unveil" },
		{ SB_SYSCALL,	"pledge" },
#else
		{ SB_FS,	"landlock" },
		{ SB_SYSCALL,	"seccomp" },
#endif
	};
	size_t	 i;

	buf[0] = '\0';
	for (i = 0; i < nitems(names); i++) {
		if (!(mask & names[i].bit))
			continue;
		if (buf[0] != '\0')
			(void)strlcat(buf, " ", size);
		(void)strlcat(buf, names[i].name, size);
	}
	return buf;
}
