"""The URLs that a Django project has before it is connected: a page that shows who is signed in."""

from django.contrib.auth import logout
from django.contrib.auth.decorators import login_required
from django.http import JsonResponse
from django.shortcuts import redirect
from django.urls import path


@login_required
def home(request):
    user = request.user
    return JsonResponse({"username": user.username, "email": user.email, "first_name": user.first_name})


def sign_out(request):
    logout(request)
    return redirect("/")


urlpatterns = [path("", home), path("sign-out", sign_out)]
