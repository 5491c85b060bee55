"""What is measured, task by task: one file each, as `eval.comparison.task` describes it."""

from eval.comparison.task import Task
from eval.tasks import denoise, film, television, upscale

TASKS: dict[str, Task] = {task.name: task for task in (denoise.TASK, film.TASK, upscale.TASK, television.TASK)}
