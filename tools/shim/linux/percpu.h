/* SPDX-License-Identifier: GPL-2.0-only */
/* This is CPU 0; a test may say that others are possible. */
#ifndef SHIM_LINUX_PERCPU_H
#define SHIM_LINUX_PERCPU_H

extern unsigned int shim_nr_cpus;

#define DEFINE_PER_CPU(t, n) __typeof__(t) n
#define DECLARE_PER_CPU(t, n) extern __typeof__(t) n
#define alloc_percpu(t) ((__typeof__(t) *)kcalloc(shim_nr_cpus, sizeof(t), GFP_KERNEL))
#define alloc_percpu_gfp(t, g) ((__typeof__(t) *)kcalloc(shim_nr_cpus, sizeof(t), g))
#define free_percpu(p) kfree(p)
#define per_cpu_ptr(p, c) ((p) + (c))
#define this_cpu_ptr(p) (p)
#define raw_cpu_ptr(p) (p)
#define get_cpu_ptr(p) (p)
#define put_cpu_ptr(p) ((void)(p))
#define per_cpu(v, c) (v)
#define this_cpu_add(v, n) ((v) += (n))
#define this_cpu_sub(v, n) ((v) -= (n))
#define this_cpu_inc(v) ((v)++)
#define this_cpu_dec(v) ((v)--)
#define this_cpu_read(v) (v)
#define this_cpu_write(v, n) ((v) = (n))
#define this_cpu_inc_return(v) (++(v))
#define raw_cpu_inc(v) ((v)++)
#define raw_cpu_add(v, n) ((v) += (n))
#define __this_cpu_inc this_cpu_inc
#define for_each_possible_cpu(c) for ((c) = 0; (c) < (int)shim_nr_cpus; (c)++)
#define for_each_online_cpu for_each_possible_cpu
#define num_possible_cpus() shim_nr_cpus
#define num_online_cpus() 1u
#define nr_cpu_ids shim_nr_cpus
#define cpumask_first(mask) 0u
#define cpumask_next(c, mask) ((unsigned int)((c) + 1))
#define smp_processor_id() 0
#define raw_smp_processor_id() 0
#define get_cpu() 0
#define put_cpu() ((void)0)
#define preempt_disable() ((void)0)
#define preempt_enable() ((void)0)

#endif
